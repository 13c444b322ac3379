import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StorageError } from '../storage-error.ts';
import type { Binaries } from './find-binaries.ts';
import type { Layout } from './layout.ts';
import { clusterName } from './previous-server.ts';
import { explainSpawnError } from './run-as.ts';
import type { RunAs } from './run-as.ts';
import { openLog } from './server-log.ts';
import { handOver, spawnOptions } from './spawn-postgres.ts';

/** How a server ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running Postgres. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves when the server has gone, whoever ended it; never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends the server in order; resolves when it has gone. May be called again. */
  stop(): Promise<void>;
}

/** What decides the server's command line. */
export interface ServerOptions {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly runAs: RunAs | undefined;
  readonly port: number;
  readonly timeZone: string;
  readonly durable: boolean;
}

/*
 * The shell becomes Postgres (same pid). Its watcher holds the other end of a pipe from the host: when
 * the host ends without a word, even by kill -9, the pipe closes and the watcher stops Postgres: in
 * order first, at once after 20 s. A line on the pipe says that Postgres has gone already, so that the
 * watcher never signals a stranger who got its pid. The watcher is orphaned on purpose: Postgres would
 * take the death of an unknown child for a crash.
 */
const script = `
server=$$
(
  (
    exec 3>&- 4>&- >/dev/null 2>&1
    if ! read -r gone; then
      kill -INT "$server" || exit 0
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        sleep 1
        kill -0 "$server" || exit 0
      done
      kill -QUIT "$server"
    fi
  ) <&5 &
) 5<&0
exec "$@" 5<&- </dev/null
`;

function settings({ port, timeZone, durable, layout }: ServerOptions): string[] {
  const values = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    `cluster_name=${clusterName(layout.cluster)}`,
    `timezone=${timeZone}`,
    'log_timezone=UTC',
    'max_connections=200',
    'password_encryption=scram-sha-256',
    'logging_collector=off',
    'log_checkpoints=off',
    // What people store stays out of the log: no statements, no details of failed ones.
    'log_min_error_statement=panic',
    'log_error_verbosity=terse',
    ...(durable ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
  return values.flatMap((value) => ['-c', value]);
}

/** Starts the server; it may end again at once, so wait for a connection or for `exited`. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { layout, binaries, runAs } = options;
  const program = join(binaries.bin, 'postgres');
  const handover = handOver([layout.cluster], runAs);
  const log = openLog(layout.log);
  const args = ['-c', script, 'otw-postgres', program, '-D', `${handover.paths[0]}`, ...settings(options)];
  const child = spawn('/bin/sh', args, {
    ...spawnOptions(runAs),
    stdio: ['pipe', log, log, ...handover.descriptors],
  });
  try {
    return await watch(child);
  } catch (error) {
    throw explainSpawnError(error, program, runAs);
  } finally {
    closeSync(log);
    handover.close();
  }
}

async function watch(child: ChildProcess): Promise<ServerProcess> {
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      child.stdin?.end('gone\n');
      resolve({ code, signal });
    });
  });
  // The watcher may have gone before it could be told.
  child.stdin?.on('error', () => {});
  child.on('error', () => {});
  let stopping: Promise<void> | undefined;
  return {
    pid: child.pid ?? 0,
    exited,
    stop: () => (stopping ??= stopChild(child, exited)),
  };
}

// Smart waits for clients, fast ends their sessions, immediate leaves recovery to the next start.
const steps = [
  { signal: 'SIGTERM', waitMs: 2_000 },
  { signal: 'SIGINT', waitMs: 8_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] as const;

async function stopChild(child: ChildProcess, exited: Promise<Exit>): Promise<void> {
  for (const { signal, waitMs } of steps) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    child.kill(signal);
    const timer = new AbortController();
    const waited = delay(waitMs, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([exited, waited]);
    timer.abort();
  }
  if (child.exitCode !== null || child.signalCode !== null) return;
  throw new StorageError('start_failed', `Postgres (pid ${child.pid}) would not end: see its state with ps`);
}
