import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RawEvent, WrittenRow } from '@on-the-way/sdk';
import type { Answer, Statement } from './exchange.ts';
import { copyField, CopyText, timeOrderedIds } from './copy-text.ts';

/** An event and its place in the batch. */
export interface Entry {
  readonly event: RawEvent;
  readonly index: number;
}

/** How the database is written to; the same for all connections of a sink. */
export interface Dialect {
  /** Zone of the times that are answered; undefined: the database's own. */
  readonly timeZone: string | undefined;
  /** Whether the server can compress with LZ4: it takes half the work of its own way, and what is staged stays as it is. */
  readonly hasLz4: boolean;
}

/**
 * Names of the table and the functions, by what they are made from: another host's, of another zone or version, that a
 * pooler lends us the session of, are not taken for ours.
 */
function suffixOf({ timeZone, hasLz4 }: Dialect): string {
  return hash('sha256', `${rules} ${timeZone} ${hasLz4}`, 'hex').slice(0, 12);
}

/** Where a merge has its rows from. */
interface Source {
  readonly name: string;
  /** Of its function; `requests uuid[], not_compared text[]` are two of them. */
  readonly parameters: string;
  readonly from: string;
  /** How many rows that is. */
  readonly count: string;
}

const staged: Source = {
  name: 'otw_merge',
  parameters: 'staged int, requests uuid[], not_compared text[]',
  from: 'pg_temp.otw_stage_SUFFIX AS i',
  count: 'staged',
};

// To empty a table at every commit costs more than it does to read a few rows out of arrays.
const given: Source = {
  name: 'otw_merge_few',
  parameters: `ids uuid[], sources text[], external_ids text[], times timestamptz[], payloads jsonb[],
  hashes text[], numbers int[], requests uuid[], not_compared text[]`,
  from: `unnest(ids, sources, external_ids, times, payloads, hashes, numbers) WITH ORDINALITY
    AS i (id, source_id, external_id, occurred_at, payload, hash, request, place)`,
  count: 'cardinality(ids)',
};

// Rows are given to the server as they are stored, so that a batch is merged in one statement and answered only for
// what stood there already: position, raw_id, ingested_at, and whether it says the same. The first row of an answer is
// for what is new. LATERAL with LIMIT asks the index once a row; a join of a table without statistics would be planned as
// a scan of everything that was ever stored. The same holds for the settings: this function's alone, so that a pooler
// which lends the session to others lends none of them.
function mergeOf({ name, parameters, from, count }: Source): string {
  return `
CREATE OR REPLACE FUNCTION pg_temp.${name}_SUFFIX(${parameters})
RETURNS TABLE (at_place int, stands_as uuid, since text, says_the_same boolean)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET work_mem = '32MB' ZONE AS $merge$
DECLARE
  inserted int;
  found_there int;
BEGIN
  INSERT INTO raw.raw_event
    (raw_id, source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
  SELECT i.id, i.source_id, i.external_id, i.occurred_at, i.payload, i.hash, requests[i.request]
  FROM ${from}
  -- COPY puts a row where there is room for it: without this the first of a key might not be first.
  ORDER BY i.place
  ON CONFLICT (source_id, external_id) DO NOTHING;
  GET DIAGNOSTICS inserted = ROW_COUNT;
  RETURN QUERY SELECT -1, NULL::uuid, to_json(now()) #>> '{}', true;
  IF inserted = ${count} THEN RETURN; END IF;
  -- A statement of its own: it sees the rows above, and those that others have committed meanwhile.
  RETURN QUERY
    SELECT i.place::int, standing.raw_id, to_json(standing.ingested_at) #>> '{}', CASE
      WHEN standing.occurred_at <> i.occurred_at THEN false
      WHEN standing.payload_hash = i.hash THEN true
      -- Another program may have hashed the same thing by other rules. jsonb compares what is said: 1.0 is 1, in any
      -- order. Only objects have members to leave out.
      WHEN jsonb_typeof(i.payload) = 'object' AND jsonb_typeof(standing.payload_json) = 'object' THEN
        i.payload - ARRAY(SELECT jsonb_array_elements_text(not_compared[i.request]::jsonb)) =
          standing.payload_json - ARRAY(SELECT jsonb_array_elements_text(not_compared[i.request]::jsonb))
      ELSE i.payload = standing.payload_json END
    FROM ${from} CROSS JOIN LATERAL (
      SELECT e.raw_id, e.ingested_at, e.occurred_at, e.payload_hash, e.payload_json FROM raw.raw_event AS e
      WHERE e.source_id = i.source_id AND e.external_id = i.external_id LIMIT 1
    ) AS standing
    WHERE standing.raw_id <> i.id;
  GET DIAGNOSTICS found_there = ROW_COUNT;
  IF inserted + found_there <> ${count} THEN
    RAISE 'Expected % events to stand in raw.raw_event, found %', ${count}, inserted + found_there
      USING ERRCODE = '${notStored}';
  END IF;
END $merge$;`;
}

/** SQLSTATE for a batch of which something was swallowed. */
export const notStored = 'OTW01';

const stageSql = `
CREATE TEMP TABLE IF NOT EXISTS otw_stage_SUFFIX (place int, id uuid, source_id text, external_id text,
  occurred_at timestamptz, payload jsonb COMPRESSION_HERE, hash text, request int) ON COMMIT DELETE ROWS;`;
const rules = [stageSql, mergeOf(staged), mergeOf(given)].join('');

/** What a connection needs once; repeated, it changes nothing. */
export function setupSql(dialect: Dialect): string {
  // Checked by the schema to be a zone's name, so it holds no quote.
  const zone = dialect.timeZone === undefined ? '' : `SET timezone = '${dialect.timeZone}'`;
  return rules
    .replaceAll('SUFFIX', suffixOf(dialect))
    .replace('COMPRESSION_HERE', dialect.hasLz4 ? 'COMPRESSION lz4' : '')
    .replaceAll('ZONE', zone);
}

/** Takes out what an earlier chunk of the same transaction has left. */
export function clearSql(dialect: Dialect): string {
  return `TRUNCATE pg_temp.otw_stage_${suffixOf(dialect)};`;
}

/** A chunk as it is sent. */
export interface Staged {
  /** COPY and merge with the data behind them, or a merge with its values. */
  readonly step: { readonly sql: string; readonly data: readonly Buffer[] } | Statement;
  /** raw_id of each entry, should it be new. */
  readonly ids: readonly string[];
  /** What the server calls the first of them. */
  readonly firstPlace: 0 | 1;
}

const none: readonly string[] = [];

/** Requests with what their events leave out of a comparison: few, so that rows name them by number. */
class Requests {
  readonly #numbers = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #notCompared: string[] = [];
  /** As text, by the list itself: there are few of them, shared by many events. */
  readonly #names = new Map<readonly string[], string>([[none, '[]']]);
  #lastId = '';
  #lastNames = '';
  #last = 0;

  numberOf({ requestId, notCompared = none }: RawEvent): number {
    let names = this.#names.get(notCompared);
    if (names === undefined) this.#names.set(notCompared, (names = JSON.stringify(notCompared)));
    if (requestId === this.#lastId && names === this.#lastNames) return this.#last;
    this.#lastId = requestId;
    this.#lastNames = names;
    const key = `${requestId} ${names}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return (this.#last = known);
    this.#last = this.#ids.push(requestId);
    this.#notCompared.push(names);
    this.#numbers.set(key, this.#last);
    return this.#last;
  }

  /** Two arguments of the merge. */
  arrays(): readonly [string, string] {
    return [arrayText(this.#ids), arrayText(this.#notCompared)];
  }
}

/** A constant in SQL, whatever the server's setting for backslashes. */
export function quoted(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

// About where COPY begins to cost less.
const few = 32;

/** A list as Postgres reads an array. */
function arrayText(values: readonly string[]): string {
  const quotedValues = values.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  return `{${quotedValues.join()}}`;
}

function give(entries: readonly Entry[], dialect: Dialect): Staged {
  const events = entries.map(({ event }) => event);
  const idOf = timeOrderedIds(Date.now());
  const ids = events.map((_, place) => idOf(place));
  const requests = new Requests();
  const numbers = events.map((event) => String(requests.numberOf(event)));
  const values = [
    arrayText(ids),
    arrayText(events.map(({ sourceId }) => sourceId)),
    arrayText(events.map(({ externalId }) => externalId)),
    arrayText(events.map(({ occurredAt }) => occurredAt)),
    arrayText(events.map(({ payload }) => payload)),
    arrayText(events.map(({ payloadHash }) => payloadHash)),
    arrayText(numbers),
    ...requests.arrays(),
  ];
  const text = `SELECT * FROM pg_temp.otw_merge_few_${suffixOf(dialect)}($1, $2, $3, $4, $5, $6, $7, $8, $9)`;
  return { step: { text, values }, ids, firstPlace: 1 };
}

// About a millisecond or two of work, after which others have a turn.
const rowsAtATime = 250;

async function copy(entries: readonly Entry[], dialect: Dialect): Promise<Staged> {
  const idOf = timeOrderedIds(Date.now());
  const ids: string[] = [];
  const text = new CopyText();
  const requests = new Requests();
  for (let place = 0; place < entries.length; place += 1) {
    if (place > 0 && place % rowsAtATime === 0) await nextTurn();
    const { event } = entries[place]!;
    const id = idOf(place);
    ids.push(id);
    text.add(
      `${place}\t${id}\t${copyField(event.sourceId)}\t${copyField(event.externalId)}\t${event.occurredAt}\t${copyField(event.payload)}\t${copyField(event.payloadHash)}\t${requests.numberOf(event)}\n`,
    );
  }
  const suffix = suffixOf(dialect);
  const lists = requests.arrays().map(quoted).join();
  const sql = `COPY pg_temp.otw_stage_${suffix} FROM STDIN; SELECT * FROM pg_temp.otw_merge_${suffix}(${entries.length}, ${lists});`;
  return {
    step: { sql, data: text.end() },
    ids,
    firstPlace: 0,
  };
}

/** Writes the entries down as they are sent. */
export async function stage(entries: readonly Entry[], dialect: Dialect): Promise<Staged> {
  return entries.length <= few ? give(entries, dialect) : copy(entries, dialect);
}

/** What became of each entry, in the order it was staged in. */
export function rowsOf({ ids, firstPlace }: Staged, { rows }: Answer): WrittenRow[] {
  const now = rows[0]?.[2] ?? '';
  const found = ids.map((rawId): WrittenRow => ({ outcome: 'written', rawId, ingestedAt: now }));
  for (let at = 1; at < rows.length; at += 1) {
    const [place, rawId, ingestedAt, same] = rows[at]!;
    found[Number(place) - firstPlace] = {
      outcome: same === 't' ? 'unchanged' : 'conflict',
      rawId: rawId ?? '',
      ingestedAt: ingestedAt ?? '',
    };
  }
  return found;
}
