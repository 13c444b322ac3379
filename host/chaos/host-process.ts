// A host of the chaos suite: the product's own parts, put together as `otw start` does, and told on standard output.
import { readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Reach } from '@on-the-way/core';
import { loadConfig } from '../src/config/load-config.ts';
import type { HostConfig } from '../src/config/host-config.ts';
import { buildHost, type Host } from '../src/container.ts';
import { createLog } from '../src/log.ts';
import { createRedactor } from '../src/redact.ts';
import { migrate } from '../src/storage/migrate.ts';
import { optionsVariable, type HostCommand, type HostProcessOptions } from './host-options.ts';

const options = JSON.parse(process.env[optionsVariable] ?? '') as HostProcessOptions;

/** Written before anything else happens, so that what is told is told even of a process that ends in the next moment. */
function tell(line: Readonly<Record<string, unknown>>): void {
  // By the machine's clock, whatever this host is made to believe.
  writeSync(1, `${JSON.stringify({ at: Date.now(), ...line })}\n`);
}

const seen = new Map<string, number>();

/** Counts crash points, and ends the process at the one it was told. */
const reach: Reach = (point) => {
  const times = (seen.get(point) ?? 0) + 1;
  seen.set(point, times);
  if (options.crashAt?.point !== point || options.crashAt.n !== times) return;
  tell({ op: 'point', id: point, type: 'ok' });
  process.kill(process.pid, 'SIGKILL');
};

async function readConfig(): Promise<HostConfig> {
  const env = { DATABASE_URL: options.databaseUrl, OTW_DATA_DIR: join(options.folder, 'data') };
  const config = await loadConfig({ cwd: options.folder, env, commandLine: {} });
  const { intervalSeconds } = options;
  const connections = config.connections.map((connection) => ({ ...connection, intervalSeconds }));
  return { ...config, port: 0, connections };
}

function tellOfRuns({ bus }: Host): void {
  bus.on('run:started', ({ connection, runId }) =>
    tell({ op: 'run', id: connection, type: 'invoke', detail: { runId } }),
  );
  bus.on('run:finished', ({ connection, runId, status, error, datasets }) =>
    tell({
      op: 'run',
      id: connection,
      type: status === 'succeeded' ? 'ok' : status === 'interrupted' ? 'info' : 'fail',
      detail: { runId, status, error: error?.code, datasets },
    }),
  );
  bus.on('slice:finished', ({ connection, slice, outcomes }) => {
    for (const { day, outcome } of outcomes) {
      const type = outcome === 'failed' ? 'fail' : 'ok';
      tell({ op: 'slice', id: `${connection}/${slice.dataset}/${day}`, type, detail: { outcome } });
    }
  });
}

function usage(): Record<string, number> {
  return {
    rss: process.memoryUsage().rss,
    files: readdirSync('/proc/self/fd').length,
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
  };
}

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function obey(host: Host, command: HostCommand): Promise<void> {
  switch (command.do) {
    case 'block':
      block(command.ms);
      tell({ op: 'block', id: '', type: 'ok' });
      break;
    case 'usage':
      tell({ op: 'usage', id: '', type: 'ok', detail: usage() });
      break;
    case 'metrics':
      tell({ op: 'metrics', id: '', type: 'ok', detail: { text: await host.metrics.text() } });
      break;
    case 'ask': {
      const { connection, from, to } = command;
      await host.scheduler.run(connection, { only: { from, to } });
      tell({ op: 'ask', id: connection, type: 'ok' });
      break;
    }
    case 'stop':
      await host.scheduler.stop();
      await host.close();
      tell({ op: 'stop', id: '', type: 'ok' });
      process.exit(0);
  }
}

async function migrated(timeZone: string): Promise<void> {
  for (;;) {
    try {
      return await migrate(options.databaseUrl, timeZone, reach);
    } catch (error) {
      tell({ op: 'start', id: '', type: 'info', detail: { message: String(error) } });
      await delay(500);
    }
  }
}

const config = await readConfig();
const redactor = createRedactor();
redactor.add(config.connections.map((connection) => String(connection.config['password'])));
const log = createLog({ redactor, level: 'info', pretty: false, write: (text) => writeSync(2, text) });
await migrated(config.timeZone);
const clock = { now: () => Date.now() + options.clockOffsetMs };
const host = buildHost({ config, databaseUrl: options.databaseUrl, clock, log, redactor, reach });
tellOfRuns(host);
await host.sessions.checkKey();
await host.connections.ensure(config.connections.map(({ name }) => name));
host.scheduler.start();
tell({ op: 'start', id: String(process.pid), type: 'ok' });
createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line) as HostCommand;
  obey(host, command).catch((error: unknown) =>
    tell({ op: command.do, id: '', type: 'fail', detail: { message: String(error) } }),
  );
});
