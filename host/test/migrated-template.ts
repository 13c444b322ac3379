import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '../src/storage/migrate.ts';
import { migratedPrefix, type Template } from './postgres-template.ts';

const root = join(import.meta.dirname, '../..');
// All that says what migrating makes; pg-boss, which makes the queue's tables, is in the lock file.
const migrationFiles = [
  'host/src/storage/migrations/*.ts',
  'host/src/storage/migrate.ts',
  'host/src/queue/install.ts',
  'package-lock.json',
];
/** The template of a database as `migrate` leaves it. */
export function migrated(): Template {
  const digest = createHash('sha256');
  for (const file of globSync(migrationFiles, { cwd: root }).toSorted())
    digest.update(file).update(readFileSync(join(root, file)));
  return {
    prefix: migratedPrefix,
    version: digest.digest('hex').slice(0, 16),
    fill: (url) => migrate(url, 'Asia/Shanghai'),
  };
}
