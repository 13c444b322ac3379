import {
  checkpoint,
  ConnectorError,
  defineConnector,
  type Checkpoint,
  type CursorContext,
  type CursorRecord,
  type JsonValue,
} from '@on-the-way/sdk';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createBus } from './events.ts';
import { openConnector } from './open-connector.ts';
import { createPolicies, defaultPolicySettings } from './policies.ts';
import type { Cursors, EventOutcome, RunSink, SliceOutcome } from './ports.ts';
import { createRequestMeter } from './request-meter.ts';
import { runConnection, type RunInput } from './run-connection.ts';

type Fetch = (context: CursorContext<undefined>) => AsyncIterable<CursorRecord | Checkpoint>;

const today = '2026-02-26';
const log = { debug() {}, info() {}, warn() {} };
const tokens = { load: async () => undefined, save: async () => {}, update: async () => undefined };

/** One host with one cursor dataset; what it keeps stays from run to run. */
function createHost(fetch: Fetch, write?: RunSink['write']) {
  const connector = defineConnector({
    name: 'feed',
    version: '1.0.0',
    description: 'What came.',
    source: 'feed',
    config: z.object({}),
    login: async () => undefined,
    account: () => 'me',
    datasets: { events: { granularity: 'cursor', description: 'What came.', fetch } },
  });
  const stored = new Set<string>();
  const history: string[] = [];
  const recorded: SliceOutcome[] = [];
  const clock = { time: Date.parse(`${today}T12:00:00+08:00`), now: () => clock.time };
  let cursor: JsonValue | undefined;
  const cursors: Cursors = {
    load: async () => cursor,
    async save(_dataset, { cursor: next, events }) {
      history.push(`cursor ${JSON.stringify(next)} (${events})`);
      cursor = next;
    },
  };
  const sink: RunSink = {
    write:
      write ??
      (async (batch) => {
        await new Promise(setImmediate);
        history.push(`wrote ${batch.length}`);
        const rows = batch.map(({ externalId }): { outcome: EventOutcome } => {
          const outcome = stored.has(externalId) ? 'unchanged' : 'written';
          stored.add(externalId);
          return { outcome };
        });
        return { rows };
      }),
  };
  const run = async (change: Partial<RunInput> = {}) => {
    const { signal } = new AbortController();
    const bus = createBus();
    const open = { connector, config: {}, timeZone: 'Asia/Shanghai', tokens, log, clock };
    return runConnection({
      runId: 'a run',
      connection: 'feed',
      open: (aborted) => openConnector({ ...open, meter: createRequestMeter(), signal: aborted }),
      requestsMade: () => 0,
      sink,
      cursors,
      ledger: { read: async () => [], record: async (_run, outcomes) => void recorded.push(...outcomes) },
      policies: createPolicies(
        { ...defaultPolicySettings, firstRetryDelayMs: 1 },
        { connection: 'feed', bus, clock },
      ),
      bus,
      clock,
      newId: () => '00000000-0000-4000-8000-000000000001',
      signal,
      plan: { timeZone: 'Asia/Shanghai', windowDays: 3, backfillFrom: '2026-02-20' },
      ...change,
    });
  };
  return { run, history, recorded, clock, cursor: () => cursor };
}

const record = (key: string): CursorRecord => ({ key, day: today, data: { key } });
const startOf = (cursor: JsonValue | undefined): number => (typeof cursor === 'number' ? cursor : 0);

/** Pages of one record and a checkpoint each, up to `last`. */
const paged = (last: number): Fetch =>
  async function* ({ cursor }) {
    for (let page = startOf(cursor) + 1; page <= last; page += 1) {
      yield record(`page ${page}`);
      yield checkpoint(page);
    }
  };

describe('a cursor dataset', () => {
  test('keeps each checkpoint after everything before it is stored, and is one slice of today', async () => {
    const host = createHost(paged(2));
    const summary = await host.run();
    expect(summary).toMatchObject({ status: 'succeeded', slicesPlanned: 1 });
    expect(host.history).toEqual(['wrote 1', 'cursor 1 (1)', 'wrote 1', 'cursor 2 (1)']);
    expect(host.recorded).toMatchObject([
      { dataset: 'events', day: today, outcome: 'ok', rowsWritten: 2, coversEarlier: true },
    ]);
    expect(host.recorded[0]).not.toHaveProperty('digest');
  });

  test('with nothing new has no data, and writes nothing, not even its cursor', async () => {
    const host = createHost(async function* ({ cursor }) {
      if (cursor === undefined) yield record('a');
      yield checkpoint({ at: 'the end' });
    });
    await host.run();
    host.history.length = 0;
    expect((await host.run()).datasets['events']).toMatchObject({ ok: 0, no_data: 1, read: 0 });
    expect(host.history).toEqual([]);
  });

  test('keeps a checkpoint that moved on though no record came', async () => {
    const host = createHost(async function* ({ cursor }) {
      yield checkpoint(startOf(cursor) + 1);
    });
    await host.run();
    await host.run();
    expect(host.history).toEqual(['cursor 1 (0)', 'cursor 2 (0)']);
  });

  test('goes on after a failure where it was, and keeps what it had', async () => {
    let failing = true;
    const host = createHost(async function* ({ cursor }) {
      for (let page = startOf(cursor) + 1; page <= 3; page += 1) {
        if (page === 3 && failing) throw new ConnectorError('source', 'broken');
        yield record(`page ${page}`);
        yield checkpoint(page);
      }
    });
    expect((await host.run()).datasets['events']).toMatchObject({ failed: 1, written: 2 });
    expect(host.recorded).toMatchObject([{ outcome: 'failed', errorCode: 'source', rowsWritten: 2 }]);
    failing = false;
    host.history.length = 0;
    expect((await host.run()).datasets['events']).toMatchObject({ ok: 1, read: 1, written: 1 });
    expect(host.history).toEqual(['wrote 1', 'cursor 3 (1)']);
  });

  test('does not move its cursor past events that were not stored', async () => {
    const outcomes: EventOutcome[] = ['written', 'given_up'];
    const failure = new ConnectorError('source', 'the sink is broken');
    const host = createHost(
      async function* () {
        yield record('a');
        yield record('b');
        yield checkpoint(1);
      },
      async () => ({ rows: outcomes.map((outcome) => ({ outcome })), failure }),
    );
    expect((await host.run()).datasets['events']).toMatchObject({
      failed: 1,
      read: 2,
      written: 1,
      givenUp: 1,
    });
    expect(host.recorded).toMatchObject([{ errorMessage: 'the sink is broken' }]);
    expect(host.cursor()).toBeUndefined();
  });

  test('that takes long is read in turns, each from the last checkpoint, and has one outcome', async () => {
    let fetches = 0;
    const host = createHost(async function* (context) {
      fetches += 1;
      for await (const said of paged(6)(context)) {
        yield said;
        host.clock.time += 10_000;
      }
    });
    expect((await host.run()).datasets['events']).toMatchObject({ ok: 1, read: 6, written: 6 });
    expect(fetches).toBeGreaterThan(2);
    expect(host.cursor()).toBe(6);
    expect(host.recorded).toMatchObject([{ outcome: 'ok', attempts: 1, rowsWritten: 6 }]);
  });

  test('ends at its next checkpoint when the run begins nothing more, and is recorded', async () => {
    const drain = new AbortController();
    const host = createHost(async function* (context) {
      for await (const said of paged(1000)(context)) {
        if ('key' in said && said.key === 'page 3') drain.abort();
        yield said;
      }
    });
    const summary = await host.run({ drain: drain.signal });
    expect(summary.status).toBe('interrupted');
    expect(host.cursor()).toBe(3);
    expect(host.recorded).toMatchObject([{ outcome: 'ok', rowsWritten: 3 }]);
    expect(host.recorded[0]).not.toHaveProperty('coversEarlier');
    expect((await host.run({ signal: AbortSignal.abort() })).status).toBe('interrupted');
  });

  test('knows a record by its key, its data and its instant, however that is written', async () => {
    const told: CursorRecord[] = [
      { key: 'a', occurredAt: '2026-02-26T10:10:06.5+08:00', data: 1 },
      { key: 'a', occurredAt: '2026-02-26T02:10:06.500Z', data: 1 },
      { key: 'a', occurredAt: '2026-02-26T02:10:07Z', data: 1 },
      { key: 'b', occurredAt: '2026-02-26T02:10:06.5Z', data: 1 },
      { key: 'a', day: '2026-02-26', data: 1 },
      { key: 'a', data: 1 },
    ];
    const host = createHost(async function* () {
      yield* told;
    });
    // The second is the first, and the last is the one before it, as long as it is that day.
    expect((await host.run()).datasets['events']).toMatchObject({ read: 6, written: 4, unchanged: 2 });
  });

  test('of a hundred thousand records without a checkpoint holds few of them at a time', async () => {
    const padding = 'x'.repeat(1000);
    const start = process.memoryUsage().heapUsed;
    let written = 0;
    let most = 0;
    const host = createHost(
      async function* () {
        for (let at = 0; at < 100_000; at += 1) yield { key: `k${at}`, day: today, data: { padding } };
      },
      async (batch) => {
        written += batch.length;
        most = Math.max(most, process.memoryUsage().heapUsed - start);
        return { rows: batch.map(() => ({ outcome: 'written' })) };
      },
    );
    expect((await host.run()).datasets['events']).toMatchObject({ ok: 1, read: 100_000, written: 100_000 });
    expect(written).toBe(100_000);
    // All of them would be more than 100 MB; what is not collected yet counts too.
    expect(most).toBeLessThan(80 * 1024 * 1024);
  });
});
