import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../src/storage/embedded/index.ts';
import { dropTemplates } from './postgres-template.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the run's Postgres, as its superuser. */
    postgresUrl: string;
  }
}

/**
 * Starts one Postgres for the whole run, and removes it at the end. With OTW_TEST_POSTGRES_URL, the address of a
 * superuser on another server (of another version, say), that one is used, and what the run made there is dropped.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const other = process.env['OTW_TEST_POSTGRES_URL'];
  if (other !== undefined) {
    project.provide('postgresUrl', other);
    return () => dropTemplates(other);
  }
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
