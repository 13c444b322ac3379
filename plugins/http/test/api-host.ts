import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

const main = join(import.meta.dirname, '../../../host/src/main.ts');

/** A host that takes what is posted, with a database of its own. */
export interface ApiHost {
  /** Address of its API. */
  readonly url: string;
  query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]>;
  close(): Promise<void>;
}

async function queryAt<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Starts `otw start --role api` in a folder; its address is known once it serves. */
function startProcess(cwd: string, databaseUrl: string) {
  const { PATH = '' } = process.env;
  const env = { PATH, HOME: cwd, API_PORT: '0', DATABASE_URL: databaseUrl, OTW_DATA_DIR: join(cwd, 'data') };
  const args = ['--conditions=@on-the-way/source', main, 'start', '--role', 'api'];
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const address = new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const [, url] = /serving on (http:\/\/127\.0\.0\.1:\d+)/.exec(said) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.once('error', reject);
    child.once('close', () => reject(new Error(`Expected a host that serves, but it ended:\n${said}`)));
  });
  const gone = new Promise((resolve) => child.once('close', resolve));
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  return {
    address,
    async end() {
      process.off('exit', kill);
      kill();
      await gone;
    },
  };
}

/** Starts a host with a new database on a Postgres, given by the address of its superuser. */
export async function startApiHost(serverUrl: string): Promise<ApiHost> {
  const name = `suite_${randomBytes(6).toString('hex')}`;
  const folder = mkdtempSync(join(tmpdir(), 'otw-api-'));
  writeFileSync(join(folder, 'otw.config.json'), JSON.stringify({ connections: {} }));
  await queryAt(serverUrl, `create database ${name}`);
  const database = new URL(serverUrl);
  database.pathname = `/${name}`;
  const host = startProcess(folder, database.href);
  return {
    url: await host.address,
    query: (sql) => queryAt(database.href, sql),
    async close() {
      await host.end();
      await queryAt(serverUrl, `drop database ${name} with (force)`);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
