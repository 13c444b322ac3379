import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../src/storage/embedded/index.ts';
import { findBinaries } from '../src/storage/embedded/find-binaries.ts';
import { layoutOf } from '../src/storage/embedded/layout.ts';
import { clusterName, clusterProcesses } from '../src/storage/embedded/previous-server.ts';
import { chooseRunAs } from '../src/storage/embedded/run-as.ts';
import { spawnOptions } from '../src/storage/embedded/spawn-postgres.ts';
import { freePort, urlOf } from '../src/storage/embedded/connect.ts';

/** A Postgres of a test's own, on a port that stays, to be hurt. It keeps what it acknowledged, as a real one does. */
export interface OwnPostgres {
  readonly url: string;
  readonly port: number;
  /** `pg_ctl restart -m immediate`: as a crash, with recovery. Resolves when it takes connections again. */
  restart(): Promise<void>;
  /** Stops all its processes in their tracks, or lets them go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

/** Starts one with more settings for postgresql.conf. */
export async function startOwnPostgres(settings: readonly string[] = []): Promise<OwnPostgres> {
  const base = mkdtempSync(join(tmpdir(), 'otw-own-postgres-'));
  const directory = join(base, 'postgres');
  const first = await startEmbeddedPostgres({ directory, timeZone: 'Asia/Shanghai', durable: true });
  await first.stop();
  const { cluster, password } = layoutOf(directory);
  const runAs = chooseRunAs(cluster);
  // Postgres may run as somebody else, and is called by its own path here.
  for (const folder of [base, directory]) chmodSync(folder, 0o711);
  const port = await freePort();
  const conf = [
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    "unix_socket_directories = ''",
    ...settings,
  ];
  appendFileSync(join(cluster, 'postgresql.conf'), `${conf.join('\n')}\n`);
  const { bin } = findBinaries({ runAs, major: undefined });

  async function control(...words: string[]): Promise<void> {
    const args = ['-D', cluster, '-w', '-t', '60', '-l', join(cluster, 'log'), ...words];
    const child = spawn(join(bin, 'pg_ctl'), args, { ...spawnOptions(runAs), stdio: 'ignore' });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`Expected pg_ctl ${words[0]} to succeed, it ended with ${code}`);
  }

  await control('start', '-o', `-c cluster_name=${clusterName(cluster)}`);
  return {
    url: urlOf({ port, password: readFileSync(password, 'utf8').trim() }),
    port,
    restart: () => control('restart', '-m', 'immediate'),
    signal(name) {
      for (const pid of clusterProcesses(cluster)) process.kill(pid, name);
    },
    async remove() {
      await control('stop', '-m', 'immediate');
      rmSync(base, { recursive: true, force: true });
    },
  };
}
