import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startGarminSimulator, type GarminSimulator } from '@on-the-way/garmin-simulator';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { otw, startOtw, temporaryFolder, type Running } from './otw.ts';

// A real host over its own embedded Postgres, ended in the middle of its work. The source stands still.
let simulator: GarminSimulator;
let folders: ReturnType<typeof temporaryFolder>[] = [];

beforeEach(async () => {
  const now = Date.now();
  simulator = await startGarminSimulator({ now: () => now });
});

afterEach(async () => {
  await simulator.close();
  for (const folder of folders) folder.remove();
  folders = [];
});

function environment(): Record<string, string> {
  const folder = temporaryFolder();
  folders.push(folder);
  return {
    OTW_DATA_DIR: folder.path,
    GARMIN_EMAIL: 'runner@example.com',
    GARMIN_PASSWORD: 'simulated',
    GARMIN_API_ORIGIN: simulator.origin,
  };
}

interface Stored {
  readonly external_id: string;
  readonly n: number;
}

async function stored(env: Record<string, string>): Promise<Stored[]> {
  const sql = 'select external_id, count(*)::int as n from raw.raw_event group by 1 order by 1';
  const { stdout, stderr } = await otw(['query', sql, '--json'], { env });
  if (stdout === '') throw new Error(stderr);
  return (JSON.parse(stdout) as { rows: Stored[] }).rows;
}

/** Resolves when the source has answered `count` requests more, or when a run of the host is over. */
async function requests(count: number, host: Running): Promise<void> {
  const target = simulator.requests.length + count;
  let done = false;
  const end = (): void => {
    done = true;
  };
  host.said(/"msg":"run finished"/).then(end, end);
  void host.finished.then(end);
  while (!done && simulator.requests.length < target) await delay(2);
}

test(
  'kill -9 at random moments, twice, and then a run leave the rows of an undisturbed run, nothing twice',
  { timeout: 240_000 },
  async () => {
    // Due again as soon as a run is over, so that each round meets one.
    const disturbed = { ...environment(), CONNECTOR_INTERVAL_SECONDS: '10' };
    const moments: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      const host = startOtw(['start'], { env: disturbed });
      await host.said(/serving on/);
      const moment = Math.floor(Math.random() * 60);
      moments.push(moment);
      await requests(moment, host);
      host.process.kill('SIGKILL');
      await host.finished;
    }
    console.log(`killed after so many requests: ${moments.join(', ')}`);
    const last = await otw(['run', 'garmin'], { env: disturbed });
    expect(last).toMatchObject({ code: 0 });
    const undisturbed = environment();
    expect(await otw(['run', 'garmin'], { env: undisturbed })).toMatchObject({ code: 0 });

    const rows = await stored(disturbed);
    expect(rows).toEqual(await stored(undisturbed));
    expect(rows.every(({ n }) => n === 1)).toBe(true);
    expect(rows.length).toBeGreaterThan(100);
    const gaps = await otw(['coverage', 'garmin', '--json'], { env: disturbed });
    expect(JSON.parse(gaps.stdout)).toMatchObject({ totals: { gap: 0, failed: 0 } });
    const runs = await otw(['query', `select 1 from app.run where status = 'running'`, '--json'], {
      env: disturbed,
    });
    expect(JSON.parse(runs.stdout)).toEqual({ rows: [] });
  },
);

// Signed in and some slices done; the next dataset is the one that does not answer.
const inTheMiddle = 8;

/** All processes below one, by the parent that the kernel names. */
function descendants(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return [{ pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }];
      } catch {
        return [];
      }
    });
  const below = (of: number): number[] =>
    parents.filter(({ parent }) => parent === of).flatMap((child) => [child.pid, ...below(child.pid)]);
  return below(pid);
}

/** A host whose connector waits for an answer, and all processes below it. */
async function hostInTheMiddle(
  env: Record<string, string>,
): Promise<{ host: Running; below: readonly number[] }> {
  const host = startOtw(['start'], { env });
  simulator.answer(/dailyStress/, { delayMs: 60_000 });
  await host.said(/serving on/);
  await requests(inTheMiddle, host);
  const below = descendants(host.process.pid ?? 0);
  return { host, below };
}

function alive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

test.runIf(process.platform === 'linux').each(['SIGINT', 'SIGTERM'] as const)(
  '%s in the middle of a run ends host, connector and postgres within 10 s, and the run is marked interrupted',
  async (signal) => {
    const env = environment();
    const { host, below } = await hostInTheMiddle(env);
    expect(below.length).toBeGreaterThan(2);
    const asked = performance.now();
    host.process.kill(signal);
    expect((await host.finished).code).toBe(0);
    expect(performance.now() - asked).toBeLessThan(10_000);
    expect(below.filter(alive)).toEqual([]);
    const { stdout } = await otw(['runs', '--json'], { env });
    expect(JSON.parse(stdout)).toMatchObject({ runs: [{ status: 'interrupted' }] });
  },
);

test.runIf(process.platform === 'linux')(
  'SIGTERM while the host starts ends it in order, with nothing left behind',
  async () => {
    const env = environment();
    const host = startOtw(['start'], { env });
    const lock = join(env['OTW_DATA_DIR'] ?? '', 'otw.lock');
    await expect.poll(() => existsSync(lock), { interval: 5, timeout: 20_000 }).toBe(true);
    const below = descendants(host.process.pid ?? 0);
    host.process.kill('SIGTERM');
    expect((await host.finished).code).toBe(0);
    expect(below.filter(alive)).toEqual([]);
    expect(existsSync(lock)).toBe(false);
  },
);

test.runIf(process.platform === 'linux')(
  'kill -9 of the host ends a connector that loops for ever',
  async () => {
    const folder = temporaryFolder();
    folders.push(folder);
    const plugin = join(import.meta.dirname, 'fixtures', 'misbehaving.ts');
    const connections = { bad: { plugin, config: { deeds: ['spins'] } } };
    writeFileSync(join(folder.path, 'otw.config.json'), JSON.stringify({ connections, dataDir: 'data' }));
    const host = startOtw(['start'], { cwd: folder.path });
    await host.said(/"msg":"run started"/);
    const below = descendants(host.process.pid ?? 0);
    expect(below.length).toBeGreaterThan(2);
    host.process.kill('SIGKILL');
    await host.finished;
    await expect.poll(() => below.filter(alive), { timeout: 10_000 }).toEqual([]);
  },
);

test.runIf(process.platform === 'linux')('kill -9 of the host leaves no connector behind', async () => {
  const env = environment();
  const { host, below } = await hostInTheMiddle(env);
  host.process.kill('SIGKILL');
  await host.finished;
  await expect.poll(() => below.filter(alive), { timeout: 10_000 }).toEqual([]);
});
