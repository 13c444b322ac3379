import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { defineSubject, type Surface } from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';

// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);

/** What the conformance suite is told of this sink; also read by `otw plugin test`. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  open() {
    const folder = mkdtempSync(join(tmpdir(), '__NAME__-'));
    const path = join(folder, 'events.db');
    return {
      config: { path },
      async stored() {
        if (!existsSync(path)) return [];
        const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
        const rows = database.prepare('select source_id, external_id, occurred_at, payload from event').all();
        database.close();
        return rows.map((row) => ({
          sourceId: String(row['source_id']),
          externalId: String(row['external_id']),
          occurredAt: String(row['occurred_at']),
          payload: String(row['payload']),
        }));
      },
      close: () => rmSync(folder, { recursive: true }),
    };
  },
});
