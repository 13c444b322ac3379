// npm run bench [-- [--full] sink http scheduler planner start growth]: how fast events reach raw.raw_event, runs are
// begun and plans made, each beside the limits of the same machine in the same minutes. Read the ratios.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import pg from 'pg';
import { formatTable, print, say } from '../host/src/cli/output.ts';
import { startEmbeddedPostgres } from '../host/src/storage/embedded/index.ts';
import { migrate } from '../host/src/storage/migrate.ts';
import { readArguments, type PartName } from './arguments.ts';
import { benchGrowth } from './growth.ts';
import { benchHttp } from './http.ts';
import { startMeasuring } from './measure.ts';
import type { BenchPart, Part } from './part.ts';
import { benchPlanner } from './planner.ts';
import { goalsTable, reportPage, type Circumstances } from './report.ts';
import { benchScheduler } from './scheduler.ts';
import { benchSink } from './sink.ts';
import { benchStart } from './start.ts';
import { seed } from './workload.ts';

const parts: Readonly<Record<PartName, BenchPart>> = {
  sink: benchSink,
  http: benchHttp,
  scheduler: benchScheduler,
  planner: benchPlanner,
  start: benchStart,
  growth: benchGrowth,
};

const asked = readArguments(process.argv.slice(2));
if (typeof asked === 'string') {
  console.error(asked);
  process.exit(2);
}

async function postgresVersion(url: string): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query<{ version: string }>(
    `select current_setting('server_version') as version`,
  );
  await client.end();
  return rows[0]?.version ?? '';
}

/** What is measured; empty where git does not tell. */
function commit(): string {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' });
  const { status, stdout } = git('rev-parse', '--short=12', 'HEAD');
  if (status !== 0) return '';
  const isChanged = git('status', '--porcelain').stdout.trim() !== '';
  return `, commit ${stdout.trim()}${isChanged ? ' and changes to it' : ''}`;
}

async function circumstances(url: string, others: number | undefined): Promise<Circumstances> {
  const cores = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const versionOf = (path: string): string =>
    (JSON.parse(readFileSync(join(import.meta.dirname, '..', path), 'utf8')) as { version: string }).version;
  const own = `on-the-way ${versionOf('lerna.json')}${commit()}, pg ${versionOf('node_modules/pg/package.json')}`;
  return {
    at: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: `${cores.length} × ${cores[0]?.model.trim() ?? 'unknown'}, ${memory} GB, ${process.platform} ${release()}`,
    versions: `Node ${process.version}, PostgreSQL ${await postgresVersion(url)} (default settings, fsync on), ${own}`,
    command: ['npm run bench --', ...process.argv.slice(2)].join(' ').replace(/ --$/, ''),
    seed,
    others,
  };
}

function writeDown(found: Circumstances, measured: readonly Part[]): string {
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${found.at.replace(' ', '-').replace(':', '')}.md`);
  writeFileSync(path, reportPage(found, measured));
  return relative(process.cwd(), path);
}

const folder = mkdtempSync(join(tmpdir(), 'otw-bench-'));
const server = await startEmbeddedPostgres({
  directory: join(folder, 'postgres'),
  timeZone: 'Asia/Shanghai',
  durable: true,
});
async function cleanUp(): Promise<void> {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

// A full run leaves gigabytes.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
try {
  await migrate(server.url, 'Asia/Shanghai');
  const used = startMeasuring({ server: server.pid });
  const measured: Part[] = [];
  for (const name of asked.parts) measured.push(await parts[name]({ full: asked.full, server, folder, say }));
  const found = await circumstances(server.url, used().others);
  const { heads, rows } = goalsTable(measured.flatMap(({ goals }) => goals));
  print(formatTable(heads, rows));
  print(`\nAll figures, and what they were taken on: ${writeDown(found, measured)}`);
} finally {
  await cleanUp();
}
