import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Faults that are no matter of labs: each has a test that breaks just that. */
export interface OtherTests {
  /** Rows of the fault matrix. */
  readonly faults: readonly number[];
  readonly what: string;
  /** From the repository's root. */
  readonly files: readonly string[];
}

/** All of them. `npm test` runs them anyway, so that only `npm run chaos` goes through this list. */
export const otherTests: readonly OtherTests[] = [
  {
    faults: [3],
    what: 'a stop by a signal, at once and in order',
    files: ['host/test/stop.test.ts', 'host/test/kill.test.ts'],
  },
  {
    faults: [4, 5, 6, 7],
    what: 'plugins that throw, hang, leak, end their process, patch what is not theirs',
    files: ['host/test/isolation.test.ts', 'host/test/contained.test.ts'],
  },
  { faults: [8], what: 'plugins that hand over nonsense', files: ['host/test/wrong-data.test.ts'] },
  {
    faults: [21],
    what: 'two writers that meet in opposite order',
    files: ['plugins/postgres/src/sink.test.ts', 'host/test/database-faults.test.ts'],
  },
  {
    faults: [29],
    what: 'a sign-in that is refused',
    files: ['host/test/requests.test.ts', 'host/test/login.test.ts'],
  },
  {
    faults: [46, 48],
    what: 'days around a change of the clocks, moments that are none',
    files: ['host/src/next-run.test.ts', 'sdk/src/windows.test.ts', 'sdk/src/instant.test.ts'],
  },
  { faults: [47], what: 'intervals longer than a timer', files: ['host/test/queue.test.ts'] },
];

const root = join(import.meta.dirname, '..', '..');

/** Runs these tests with their own report; resolves with whether all passed. */
export async function runOtherTests(): Promise<boolean> {
  const files = otherTests.flatMap((each) => each.files);
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...files], { cwd: root, stdio: 'inherit' });
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  child.once('error', reject).once('exit', (code) => resolve(code === 0));
  return promise;
}
