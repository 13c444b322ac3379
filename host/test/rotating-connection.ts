import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { otw, startOtw, temporaryFolder, type Finished, type Running } from './otw.ts';
import { createTestDatabase } from './postgres.ts';
import { startRotatingSource, type RotatingSource } from './rotating-source.ts';

/** The connector whose tokens rotate, its source, a database, and commands that use them. */
export interface RotatingConnection {
  readonly source: RotatingSource;
  readonly folder: string;
  readonly databaseUrl: string;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Running;
  otw(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished>;
  /** Changes the connector's configuration. */
  configure(config: Readonly<Record<string, unknown>>): void;
  /** Writes a token file for it, as another program would. */
  tokenFile(value: unknown): string;
  close(): Promise<void>;
}

/** Makes one in a folder of its own. */
export async function createRotatingConnection(): Promise<RotatingConnection> {
  const source = await startRotatingSource();
  const database = await createTestDatabase();
  const { path: folder, remove } = temporaryFolder();
  const tokenDir = join(folder, 'tokens');
  const configure = (config: Readonly<Record<string, unknown>>): void => {
    const plugin = join(import.meta.dirname, 'fixtures', 'rotating.ts');
    const rotating = {
      plugin,
      config: { origin: source.origin, ...config },
      windowDays: 1,
      backfillDays: 1,
      tokenDir,
      policies: { attempts: 1 },
    };
    writeFileSync(
      join(folder, 'otw.config.json'),
      JSON.stringify({ dataDir: 'data', database: database.url, connections: { rotating } }),
    );
  };
  configure({});
  return {
    source,
    folder,
    databaseUrl: database.url,
    configure,
    start: (args, env = {}) => startOtw(args, { cwd: folder, env }),
    otw: (args, env = {}) => otw(args, { cwd: folder, env }),
    tokenFile(value) {
      mkdirSync(tokenDir, { recursive: true });
      const path = join(tokenDir, 'session.json');
      writeFileSync(path, JSON.stringify(value), { mode: 0o600 });
      return readFileSync(path, 'utf8');
    },
    async close() {
      await source.close();
      await database.drop();
      remove();
    },
  };
}
