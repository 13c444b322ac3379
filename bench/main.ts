// npm run bench [-- sink http scheduler planner]: how fast events reach raw.raw_event, runs are begun and plans made, each
// beside a plain way to do it, on the same machine in the same minutes. Read the ratios; the rates are this machine's.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createBus,
  createPolicies,
  defaultPolicySettings,
  envelopeOf,
  runConnection,
} from '@on-the-way/core';
import type { RawEvent, SinkWriter } from '@on-the-way/sdk';
import pg from 'pg';
import { formatTable, print } from '../host/src/cli/output.ts';
import { openInProcess } from '../host/src/isolate/process-connector.ts';
import { resolvePlugin } from '../host/src/isolate/resolve-plugin.ts';
import { createLog } from '../host/src/log.ts';
import { createRedactor } from '../host/src/redact.ts';
import { startEmbeddedPostgres } from '../host/src/storage/embedded/index.ts';
import { migrate } from '../host/src/storage/migrate.ts';
import { benchHttp } from './http.ts';
import { benchScheduler } from './scheduler.ts';
import { benchPlanner } from './planner.ts';
import sinkPostgres from '../plugins/postgres/src/index.ts';

const rounds = 3;
const events = 20_000;
const batchSize = 1000;
const signal = new AbortController().signal;
const clock = { now: () => Date.now() };
const silent = { debug() {}, info() {}, warn() {} };

const identity = {
  connector: 'bench',
  service: 'bench',
  source: 'bench',
  version: '1',
  accountRef: '0123456789ab',
  timeZone: 'Asia/Shanghai',
};

function makeEvents(count: number): RawEvent[] {
  const note = 'x'.repeat(280);
  return Array.from({ length: count }, (_, index) =>
    envelopeOf(
      identity,
      'numbers',
      { day: '2026-02-26', data: { index, note } },
      { at: 0, requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f' },
    ),
  );
}

const columns = '(source_id, external_id, occurred_at, payload_json, payload_hash, request_id)';

function valuesOf(event: RawEvent): string[] {
  const { sourceId, externalId, occurredAt, payload, payloadHash, requestId } = event;
  return [sourceId, externalId, occurredAt, payload, payloadHash, requestId];
}

async function oneByOne(client: pg.Client, all: readonly RawEvent[]): Promise<void> {
  const text = `insert into raw.raw_event ${columns} values ($1, $2, $3, $4, $5, $6) on conflict do nothing`;
  for (const event of all) await client.query({ name: 'one', text, values: valuesOf(event) });
}

async function manyAtOnce(client: pg.Client, all: readonly RawEvent[]): Promise<void> {
  for (let start = 0; start < all.length; start += batchSize) {
    const batch = all.slice(start, start + batchSize);
    const places = batch.map(
      (_, row) => `(${[1, 2, 3, 4, 5, 6].map((column) => `$${row * 6 + column}`).join(',')})`,
    );
    const text = `insert into raw.raw_event ${columns} values ${places.join(',')} on conflict do nothing`;
    await client.query(text, batch.flatMap(valuesOf));
  }
}

async function throughSink(sink: SinkWriter, all: readonly RawEvent[]): Promise<void> {
  for (let start = 0; start < all.length; start += batchSize) {
    await sink.write(all.slice(start, start + batchSize), { signal });
  }
}

async function wholeWay(sink: SinkWriter): Promise<void> {
  const bus = createBus();
  const redactor = createRedactor();
  const log = createLog({
    redactor,
    level: 'error',
    pretty: false,
    write: (text) => process.stderr.write(text),
  });
  const { status } = await runConnection({
    runId: randomUUID(),
    connection: 'bench',
    open: () =>
      openInProcess({
        plugin: resolvePlugin(join(import.meta.dirname, 'constant-source.ts'), import.meta.dirname),
        privateFolder: tmpdir(),
        config: { records: events },
        timeZone: 'Asia/Shanghai',
        tokens: {
          load: async () => undefined,
          save: async () => undefined,
          update: async () => undefined,
          lock: async () => async () => undefined,
        },
        log,
        redactor,
        signal,
      }),
    sink,
    ledger: { read: async () => [], record: async () => undefined },
    policies: createPolicies(defaultPolicySettings, { connection: 'bench', bus, clock }),
    bus,
    clock,
    newId: randomUUID,
    requestsMade: () => 0,
    plan: {
      timeZone: 'Asia/Shanghai',
      windowDays: 1,
      backfillFrom: '2026-02-26',
      only: { from: '2026-02-26', to: '2026-02-27' },
    },
    signal,
  });
  if (status !== 'succeeded') throw new Error(`Expected the run to succeed, got ${status}`);
}

interface Variant {
  readonly name: string;
  readonly count: number;
  /** Leaves the rows of the variant before. */
  readonly keepRows?: boolean;
  run(): Promise<void>;
}

async function measure(variants: readonly Variant[], client: pg.Client): Promise<Map<string, number[]>> {
  const rates = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, count, keepRows, run } of variants) {
      if (keepRows !== true) await client.query('truncate raw.raw_event');
      await client.query('checkpoint');
      const began = performance.now();
      await run();
      rates.get(name)?.push((count / (performance.now() - began)) * 1000);
      const { rows } = await client.query<{ n: number }>('select count(*)::int as n from raw.raw_event');
      if (rows[0]?.n !== count) throw new Error(`Expected ${count} rows after ${name}, found ${rows[0]?.n}`);
    }
  }
  return rates;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function bench(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  const sink = await sinkPostgres.open({
    config: sinkPostgres.config.parse({ connectionString: url }),
    log: silent,
  });
  const all = makeEvents(events);
  const few = all.slice(0, 2000);
  const baseline = `INSERT of ${batchSize} rows, nothing told apart`;
  const rates = await measure(
    [
      { name: 'INSERT row by row', count: few.length, run: () => oneByOne(client, few) },
      { name: baseline, count: events, run: () => manyAtOnce(client, all) },
      { name: 'sink-postgres, new events', count: events, run: () => throughSink(sink, all) },
      {
        name: 'sink-postgres, the same again',
        count: events,
        keepRows: true,
        run: () => throughSink(sink, all),
      },
      { name: 'connector process → host → sink', count: events, run: () => wholeWay(sink) },
    ],
    client,
  );
  const base = median(rates.get(baseline) ?? []);
  const rows = [...rates].map(([name, values]) => [
    name,
    Math.round(median(values)),
    (median(values) / base).toFixed(2),
  ]);
  print(formatTable(['way', 'events/s', '÷ INSERT of 1000'], rows));
  print(`\n${events} events of about half a kilobyte, median of ${rounds} interleaved rounds, fsync on.`);
  await sink.close();
  await client.end();
}

const tables: Readonly<Record<string, (databaseUrl: string) => Promise<unknown>>> = {
  sink: bench,
  http: benchHttp,
  scheduler: benchScheduler,
  planner: benchPlanner,
};
const asked = process.argv.slice(2);
const wanted = Object.entries(tables).flatMap(([name, run]) =>
  asked.length === 0 || asked.includes(name) ? [run] : [],
);
if (wanted.length < asked.length || wanted.length === 0) {
  console.error(`Expected some of ${Object.keys(tables).join(', ')}, found ${asked.join(' ')}`);
  process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), 'otw-bench-'));
const server = await startEmbeddedPostgres({
  directory: join(directory, 'postgres'),
  timeZone: 'Asia/Shanghai',
  durable: true,
});
try {
  await migrate(server.url, 'Asia/Shanghai');
  for (const [index, run] of wanted.entries()) {
    if (index > 0) print('');
    await run(server.url);
  }
} finally {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
}
