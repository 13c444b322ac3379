import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../src/storage/embedded/index.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the run's Postgres, as its superuser. */
    postgresUrl: string;
  }
}

/** Starts one Postgres for the whole run, and removes it at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'otw-test-postgres-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    const server = await startEmbeddedPostgres({
      directory: join(directory, 'postgres'),
      timeZone: 'Asia/Shanghai',
      durable: false,
    });
    project.provide('postgresUrl', server.url);
    return () => server.stop().finally(remove);
  } catch (error) {
    remove();
    throw error;
  }
}
