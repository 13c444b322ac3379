// npm run demo: starts the double of the source, reads it in a host with a database in .otw, and shows the rows.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startTestServer } from '@on-the-way/sdk/testing';
import { answer, keys } from './test/source.ts';

const otw = fileURLToPath(new URL('../bin/otw.js', import.meta.resolve('@on-the-way/host')));
const source = await startTestServer(answer);

async function run(...args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [otw, ...args], {
    stdio: 'inherit',
    cwd: import.meta.dirname,
    env: { ...process.env, SOURCE_ORIGIN: source.origin, SOURCE_API_KEY: keys[1] },
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) process.exitCode = 1;
}

await run('run', 'demo');
await run(
  'query',
  "select external_id, payload_json->'data' as data from raw.raw_event order by occurred_at",
);
await source.close();
