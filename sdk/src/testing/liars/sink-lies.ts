import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { z } from 'zod';
import { secret } from '../../secret.ts';
import { honestSinkParts, insert, type SinkParts } from './honest-sink.ts';

const loose = honestSinkParts.table.replace(', unique (source_id, external_id)', '');

/** Sinks that break one promise each, by the promise's number and what they do. */
export const sinkLies: Readonly<Record<string, Partial<SinkParts>>> = {
  '11 a password of the sink in print': {
    greet: ({ password }) => void process.stdout.write(`opening with ${password}\n`),
  },
  '29 a write that was aborted before it began': { begin: () => undefined },
  '30 a timer of a sink that was closed': {
    close: (database) => {
      setInterval(() => undefined, 60_000);
      database.close();
    },
  },
  '39 a row for each write': { table: loose, store: (database, event) => insert(database, event) },
  '39 keys that differ in case taken for one': {
    table: honestSinkParts.table.replace('external_id,', 'external_id collate nocase,'),
  },
  '39 keys without their source': {
    store: (database, event) => {
      const known = database
        .prepare('select source_id from event where external_id = ?')
        .get(event.externalId);
      const sourceId = (known?.['source_id'] as string | undefined) ?? event.sourceId;
      return honestSinkParts.store(database, { ...event, sourceId });
    },
  },
  '39 the id of another row in each answer': {
    store: (database, event) => ({ ...honestSinkParts.store(database, event), rawId: randomUUID() }),
  },
  '39 a moment written in another zone taken for another': {
    store: (database, event) => {
      const row = honestSinkParts.store(database, event);
      const known = database
        .prepare('select occurred_at from event where external_id = ?')
        .get(event.externalId);
      return known?.['occurred_at'] === event.occurredAt ? row : { ...row, outcome: 'conflict' };
    },
  },
  '40 times cut to whole seconds': {
    store: (database, event) =>
      honestSinkParts.store(database, {
        ...event,
        occurredAt: event.occurredAt.replace(/\.\d+/, ''),
      }),
  },
  '40 times cut to milliseconds': {
    store: (database, event) =>
      honestSinkParts.store(database, {
        ...event,
        occurredAt: event.occurredAt.replace(/(\.\d{3})\d+/, '$1'),
      }),
  },
  '40 rows in another order': {
    storeAll: async (database, batch, parts) =>
      (await honestSinkParts.storeAll(database, batch, parts)).toReversed(),
  },
  '40 what is there overwritten': {
    store: (database, event) => {
      const { outcome } = honestSinkParts.store(database, event);
      if (outcome !== 'conflict') return { outcome, rawId: '', ingestedAt: '' };
      return insert(database, event, 'replace');
    },
  },
  '40 a conflict called unchanged': {
    store: (database, event) => {
      const row = honestSinkParts.store(database, event);
      return row.outcome === 'conflict' ? { ...row, outcome: 'unchanged' } : row;
    },
  },
  '41 a batch stored event by event': {
    storeAll: async (database, batch, parts) => {
      const rows = [];
      for (const event of batch) {
        rows.push(parts.store(database, event));
        await turn();
      }
      return rows;
    },
  },
  '42 a look, a pause, a write': {
    table: loose,
    storeAll: async (database, batch) => {
      const known = database.prepare('select external_id from event').all();
      const ids = new Set(known.map((row) => row['external_id']));
      for (let turns = 0; turns < 200; turns += 1) await turn();
      database.exec('begin immediate');
      const rows = batch.map((event) =>
        ids.has(event.externalId) ? honestSinkParts.store(database, event) : insert(database, event),
      );
      database.exec('commit');
      return rows;
    },
  },
  '43 an event that cannot be stored left out in silence': {
    store: (database, event) =>
      event.payload.includes(String.raw`\u0000`)
        ? { outcome: 'written', rawId: '', ingestedAt: '' }
        : honestSinkParts.store(database, event),
  },
  '43 writes at the same time in one transaction': {
    storeAll: async (database, batch, parts) => {
      try {
        if (!database.isTransaction) database.exec('begin immediate');
        const rows = [];
        for (const event of batch) {
          rows.push(parts.store(database, event));
          await turn();
        }
        if (database.isTransaction) database.exec('commit');
        return rows;
      } catch (error) {
        if (database.isTransaction) database.exec('rollback');
        throw error;
      }
    },
  },
  '43 the first half of a write that is aborted stored': {
    storeAll: async (database, batch, parts) => {
      if (!batch.every(({ payload }) => payload.isWellFormed()))
        return honestSinkParts.storeAll(database, batch, parts);
      const rows = [];
      for (const event of batch) {
        parts.signal.throwIfAborted();
        rows.push(parts.store(database, event));
        await turn();
      }
      return rows;
    },
  },
  '43 a refusal that names nothing': {
    store: (database, event) => {
      if (event.payload.includes(String.raw`\u0000`)) throw new Error('database error');
      return honestSinkParts.store(database, event);
    },
  },
  '44 numbers as doubles': {
    store: (database, event) =>
      honestSinkParts.store(database, { ...event, payload: shortened(event.payload) }),
  },
  '4 a key of a sink that is not marked': {
    config: z.strictObject({
      file: z.string(),
      apiKey: z.string().optional(),
      password: secret().optional(),
    }),
  },
};

function shortened(payload: string): string {
  return payload.length > 5000 ? payload : JSON.stringify(JSON.parse(payload));
}
