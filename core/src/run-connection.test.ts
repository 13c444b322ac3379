import {
  addDays,
  ConnectorError,
  daysOf,
  defineConnector,
  startOfDay,
  type Connector,
  type ConnectorErrorCode,
  type DatasetDefinition,
  type Day,
  type RawEvent,
  type SinkWriter,
  type WrittenRow,
} from '@on-the-way/sdk';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createBus } from './events.ts';
import { openConnector } from './open-connector.ts';
import { createPolicies, defaultPolicySettings, type PolicySettings } from './policies.ts';
import type { Ledger, LedgerEntry, SliceOutcome } from './ports.ts';
import { createRequestMeter } from './request-meter.ts';
import { runConnection, type RunInput } from './run-connection.ts';
import type { RunSummary } from './run-summary.ts';

type Fetch = DatasetDefinition<object>['fetch'];

/** One record for each day of the window. */
const answers: Fetch = async function* ({ window }) {
  for (const day of daysOf(window)) yield { day, data: { steps: 100 } };
};

const throwing =
  (error: unknown): Fetch =>
  () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error as Error) }) });

function connectorOf(fetches: Record<string, Fetch>, change: Partial<Connector> = {}): Connector {
  const dataset = (fetch: Fetch) =>
    ({ granularity: 'day', settleDays: 2, description: 'Data.', fetch }) as const;
  const connector = defineConnector({
    name: 'weather',
    version: '1.0.0',
    description: 'Made-up weather.',
    source: 'weather_stations',
    config: z.object({}),
    login: async () => ({}),
    account: () => 'north',
    datasets: Object.fromEntries(Object.entries(fetches).map(([name, fetch]) => [name, dataset(fetch)])),
  });
  return { ...connector, ...change };
}

/** Follows the write rules: a new key is written, an equal event is unchanged, another one is a conflict. */
function createMemorySink(history: string[] = []) {
  const rows = new Map<string, RawEvent>();
  const writeOne = (event: RawEvent): WrittenRow => {
    const key = `${event.sourceId} ${event.externalId}`;
    const known = rows.get(key);
    const equal = known?.payloadHash === event.payloadHash && known.occurredAt === event.occurredAt;
    if (!known) rows.set(key, event);
    const outcome = !known ? 'written' : equal ? 'unchanged' : 'conflict';
    return { outcome, rawId: key, ingestedAt: '2026-02-26T00:00:00+08:00' };
  };
  const writer: SinkWriter = {
    async write(batch, { signal }) {
      await new Promise(setImmediate);
      signal.throwIfAborted();
      const written = batch.map(writeOne);
      history.push(`durable ${datasetOf(batch[0]?.externalId)}`);
      const count = (outcome: WrittenRow['outcome']) =>
        written.filter((row) => row.outcome === outcome).length;
      return {
        written: count('written'),
        unchanged: count('unchanged'),
        conflicts: batch.filter((_, index) => written[index]?.outcome === 'conflict'),
        rows: written,
      };
    },
    async close() {},
  };
  return { rows, writer };
}

const datasetOf = (externalId = '') => externalId.split('::')[2];

function createMemoryLedger(history: string[] = []) {
  const entries = new Map<string, LedgerEntry>();
  const recorded: SliceOutcome[] = [];
  const ledger: Ledger = {
    read: async (_connection, { from }) =>
      [...entries.values()].filter(({ day, outcome }) => day >= from || outcome === 'failed'),
    async record({ at }, outcomes) {
      await new Promise(setImmediate);
      for (const outcome of outcomes) {
        const { dataset, day } = outcome;
        history.push(`recorded ${dataset}`);
        recorded.push(outcome);
        const known = entries.get(`${dataset} ${day}`);
        const before = known?.outcome === 'failed' && outcome.outcome === 'failed' ? known.attempts : 0;
        const mark = outcome.outcome === 'failed' ? known?.mark : outcome.mark;
        entries.set(`${dataset} ${day}`, {
          dataset,
          day,
          outcome: outcome.outcome,
          attempts: before + outcome.attempts,
          lastAttemptAt: at,
          ...(mark !== undefined && { mark }),
        });
      }
    },
  };
  return { entries, recorded, ledger };
}

const today = '2026-02-26';
const now = startOfDay(today, 'Asia/Shanghai') + 12 * 3_600_000;

interface Change extends Partial<Omit<RunInput, 'policies' | 'plan'>> {
  readonly policies?: Partial<PolicySettings>;
  readonly plan?: Partial<RunInput['plan']>;
  readonly config?: unknown;
  /** Requests the run may make; no limit where it is missing. */
  readonly budget?: number;
}

/** A host of one connection: what it stores stays from run to run. */
function createHost(connector: Connector) {
  const history: string[] = [];
  const sink = createMemorySink(history);
  const ledger = createMemoryLedger(history);
  const bus = createBus();
  const closed = vi.fn();
  let id = 0;
  const run = (change: Change = {}): Promise<RunSummary> => {
    const { policies, plan, config = {}, budget, ...rest } = change;
    const meter = createRequestMeter(budget);
    const clock = rest.clock ?? { now: () => now };
    const controller = new AbortController();
    return runConnection({
      runId: 'run-1',
      connection: 'mine',
      async open(signal) {
        const log = { debug() {}, info() {}, warn() {} };
        const tokens = {
          load: async () => undefined,
          save: async () => {},
          update: async () => undefined,
        };
        const parts = { connector, config, timeZone: 'Asia/Shanghai', tokens, log, clock, signal, meter };
        const opened = await openConnector(parts);
        return {
          ...opened,
          async close() {
            await opened.close();
            closed();
          },
        };
      },
      sink: sink.writer,
      ledger: ledger.ledger,
      policies: createPolicies(
        { ...defaultPolicySettings, firstRetryDelayMs: 1, ...policies },
        { connection: 'mine', bus, clock },
      ),
      bus,
      clock,
      newId: () => `request-${(id += 1)}`,
      requestsMade: () => meter.made,
      plan: { timeZone: 'Asia/Shanghai', windowDays: 2, backfillFrom: '2026-02-25', ...plan },
      signal: controller.signal,
      ...rest,
    });
  };
  return { run, rows: sink.rows, sink: sink.writer, ...ledger, bus, history, closed };
}

describe('a run', () => {
  test('stores what every dataset says of every day, and remembers it', async () => {
    const host = createHost(connectorOf({ steps: answers, sleep: answers, weight: async function* () {} }));
    const summary = await host.run();
    expect(summary).toMatchObject({
      status: 'succeeded',
      slicesPlanned: 6,
      runId: 'run-1',
      connection: 'mine',
    });
    expect(summary.datasets).toMatchObject({
      steps: { ok: 2, written: 2, unchanged: 0, failed: 0 },
      weight: { ok: 0, no_data: 2, written: 0 },
    });
    expect(host.rows.size).toBe(4);
    expect(host.recorded).toHaveLength(6);
    expect(host.recorded[0]).toEqual({
      dataset: 'steps',
      day: today,
      outcome: 'ok',
      attempts: 1,
      digest: expect.stringMatching(/^[0-9a-f]{16}$/),
      rowsWritten: 1,
      rowsUnchanged: 0,
      conflicts: 0,
    });
  });

  test('tells when it began and which slices ended', async () => {
    const host = createHost(
      connectorOf({ steps: answers, sleep: throwing(new ConnectorError('source', 'no', { status: 500 })) }),
    );
    const events: unknown[] = [];
    host.bus.on('run:started', (event) => events.push(event));
    host.bus.on('slice:finished', ({ slice, outcomes, status }) =>
      events.push([slice.dataset, outcomes.map(({ outcome }) => outcome), status]),
    );
    await host.run({ plan: { windowDays: 1, backfillFrom: today } });
    expect(events).toEqual([
      { runId: 'run-1', connection: 'mine', slices: 2, at: now },
      ['steps', ['ok'], undefined],
      ['sleep', ['failed'], 500],
    ]);
  });

  test('again stores nothing twice and finds every row unchanged', async () => {
    const host = createHost(connectorOf({ steps: answers }));
    await host.run();
    const later = await host.run({ clock: { now: () => now + 3_600_000 } });
    expect(later.datasets['steps']).toMatchObject({ ok: 2, written: 0, unchanged: 2 });
    expect(host.rows.size).toBe(2);
  });

  test('keeps a changed answer beside the old one, and its digest tells of the change', async () => {
    let steps = 100;
    const host = createHost(
      connectorOf({
        async *steps({ window }) {
          yield { day: window.from, data: { steps } };
        },
      }),
    );
    const plan = { windowDays: 1, backfillFrom: today };
    await host.run({ plan });
    steps = 200;
    const { status } = await host.run({ plan });
    expect(status).toBe('succeeded');
    expect(host.rows.size).toBe(2);
    expect(new Set(host.recorded.map(({ digest }) => digest)).size).toBe(2);
  });

  test('stores rows durably before the ledger says so, slice by slice', async () => {
    const host = createHost(connectorOf({ steps: answers, sleep: answers, weight: answers }));
    await host.run({ policies: { concurrency: 3 }, plan: { windowDays: 1, backfillFrom: today } });
    for (const dataset of ['steps', 'sleep', 'weight']) {
      const own = host.history.filter((line) => line.endsWith(` ${dataset}`));
      expect(own).toEqual([`durable ${dataset}`, `recorded ${dataset}`]);
    }
  });

  test('with nothing to do succeeds', async () => {
    const summary = await createHost(connectorOf({})).run();
    expect(summary).toMatchObject({ status: 'succeeded', slicesPlanned: 0, datasets: {} });
  });

  test('counts an event yielded twice as new once', async () => {
    const twice: Fetch = async function* ({ window }) {
      yield { day: window.from, data: 1 };
      yield { day: window.from, data: 1 };
    };
    const summary = await createHost(connectorOf({ steps: twice })).run({ plan: { windowDays: 1 } });
    expect(summary.datasets['steps']).toMatchObject({ written: 2, unchanged: 2, conflicts: 0 });
  });

  test('records a slice of several days day by day', async () => {
    const connector = connectorOf({});
    const range = defineConnector({
      ...connector,
      account: () => 'north',
      config: z.object({}),
      login: async () => ({}),
      datasets: {
        weight: {
          granularity: 'range',
          spanDays: 28,
          settleDays: 1,
          description: 'Weight.',
          async *fetch() {
            yield { day: '2026-02-20', data: 70 };
            yield { day: '2026-02-24', data: 71 };
            yield { day: '2026-02-24', data: 72 };
          },
        },
      },
    });
    const host = createHost(range);
    await host.run({ plan: { backfillFrom: '2026-02-19' } });
    expect(host.recorded.map(({ day, outcome, rowsWritten }) => `${day} ${outcome} ${rowsWritten}`)).toEqual([
      '2026-02-19 no_data 0',
      '2026-02-20 ok 1',
      '2026-02-21 no_data 0',
      '2026-02-22 no_data 0',
      '2026-02-23 no_data 0',
      '2026-02-24 ok 2',
      '2026-02-25 no_data 0',
      '2026-02-26 no_data 0',
    ]);
  });
});

describe('a dataset that fails', () => {
  test('for ever does not keep 31 others from being complete, run after run', async () => {
    const fetches = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`d${index}`, answers]));
    fetches['d7'] = throwing(new ConnectorError('transient', 'no answer'));
    const host = createHost(connectorOf(fetches));
    const plan = { windowDays: 3, backfillFrom: '2026-02-10' };
    for (const hours of [0, 1, 24]) {
      const summary = await host.run({
        policies: { attempts: 2 },
        plan,
        clock: { now: () => now + hours * 3_600_000 },
      });
      expect(summary.status).toBe('partial');
      expect(summary.datasets['d7']).toMatchObject({ ok: 0, written: 0 });
    }
    const days = daysOf({ from: '2026-02-10', to: '2026-02-28' });
    const outcomes = (dataset: string) => days.map((day) => host.entries.get(`${dataset} ${day}`)?.outcome);
    for (const dataset of Object.keys(fetches)) {
      const known = outcomes(dataset).filter((outcome) => outcome !== undefined);
      expect(new Set(known), dataset).toEqual(new Set([dataset === 'd7' ? 'failed' : 'ok']));
      // The breaker keeps most days of the broken one from being asked for: they stay gaps.
      if (dataset !== 'd7') expect(known).toHaveLength(days.length);
    }
    expect(host.rows.size).toBe(31 * days.length);
  });

  test('is remembered with code, message and tries; what was not asked for is told of, and what stood there stands', async () => {
    let fetch = answers;
    const host = createHost(connectorOf({ steps: (context) => fetch(context) }));
    await host.run();
    host.recorded.length = 0;
    const before = host.entries.get('steps 2026-02-25');
    const codes = new Map<string, unknown>();
    host.bus.on('slice:finished', ({ slice, outcomes }) => {
      codes.set(slice.window.from, outcomes[0]?.errorCode);
    });
    fetch = throwing(new ConnectorError('transient', 'no answer'));
    const summary = await host.run({
      policies: { attempts: 3, breakAfter: 1 },
      plan: { backfillFrom: '2026-02-24' },
    });
    expect(Object.fromEntries(codes)).toEqual({
      '2026-02-26': 'transient',
      '2026-02-25': 'breaker_open',
      '2026-02-24': 'breaker_open',
    });
    expect(summary).toMatchObject({
      status: 'partial',
      datasets: { steps: { failed: 1, notAsked: 2 } },
      heldUp: true,
    });
    expect(host.recorded).toMatchObject([
      { outcome: 'failed', errorCode: 'transient', errorMessage: 'no answer', attempts: 3, rowsWritten: 0 },
    ]);
    expect(host.entries.get('steps 2026-02-25')).toEqual(before);
    expect(host.entries.has('steps 2026-02-24')).toBe(false);
    fetch = answers;
    expect(await host.run({ plan: { backfillFrom: '2026-02-24' } })).toMatchObject({
      status: 'succeeded',
      datasets: { steps: { ok: 3, failed: 0 } },
    });
  });

  test('of a snapshot is answered for by the next one that can be read, as its past cannot be asked for', async () => {
    const about = { settleDays: 2, description: 'Data.', fetch: answers };
    const connector = defineConnector({
      ...connectorOf({}),
      account: () => 'north',
      config: z.object({}),
      login: async () => ({}),
      datasets: { device: { ...about, granularity: 'snapshot' }, steps: { ...about, granularity: 'day' } },
    });
    const host = createHost(connector);
    await host.run({ plan: { windowDays: 1, backfillFrom: today } });
    const told = host.recorded.map(({ dataset, coversEarlier }) => [dataset, coversEarlier]);
    expect(Object.fromEntries(told)).toEqual({ device: true, steps: undefined });
  });

  test('for a reason that lies in its answer holds nothing up', async () => {
    const host = createHost(connectorOf({ steps: throwing(new ConnectorError('bad_data', 'cut off')) }));
    expect(await host.run()).not.toHaveProperty('heldUp');
  });

  test('is asked again by the next run and then complete', async () => {
    let broken = true;
    const host = createHost(
      connectorOf({
        async *steps({ window }) {
          if (broken) throw new ConnectorError('source', 'no');
          yield { day: window.from, data: 1 };
        },
      }),
    );
    const plan = { windowDays: 1, backfillFrom: '2026-02-24' };
    expect((await host.run({ plan })).status).toBe('partial');
    broken = false;
    expect(await host.run({ plan })).toMatchObject({ status: 'succeeded', datasets: { steps: { ok: 3 } } });
    expect([...host.entries.values()].map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
  });

  test.each<ConnectorErrorCode>(['not_supported', 'out_of_range'])('with %s has answered', async (code) => {
    const host = createHost(connectorOf({ steps: throwing(new ConnectorError(code, 'no such device')) }));
    const summary = await host.run({ policies: { breakAfter: 1 } });
    expect(summary).toMatchObject({
      status: 'succeeded',
      datasets: { steps: { not_supported: 2, failed: 0 } },
    });
    expect(host.recorded[1]).toMatchObject({ outcome: 'not_supported', errorCode: code });
  });

  test.each<[string, Fetch]>([
    ['a TypeError', throwing(new TypeError('x is undefined'))],
    [
      'a record outside the window',
      async function* ({ window }) {
        yield { day: addDays(window.from, 1), data: 1 };
      },
    ],
  ])('with %s is a bug of the plugin, and the others go on', async (_what, fetch) => {
    const host = createHost(connectorOf({ bad: fetch, steps: answers }));
    const summary = await host.run();
    expect(summary).toMatchObject({ status: 'partial', datasets: { bad: { failed: 2 }, steps: { ok: 2 } } });
    const bad = host.recorded.filter(({ dataset }) => dataset === 'bad');
    expect(bad).toHaveLength(2);
    for (const { errorCode, errorMessage } of bad) {
      expect(errorCode).toBe('plugin_bug');
      expect(errorMessage).toMatch(/fetch of bad/);
    }
    expect([...host.rows.values()].map(({ externalId }) => datasetOf(externalId))).not.toContain('bad');
  });

  test('after a part was written counts that part once in the ledger, and every try in the run', async () => {
    let tries = 0;
    const fetch: Fetch = async function* ({ window }) {
      tries += 1;
      for (let count = 0; count < 300; count += 1) {
        if (tries < 3 && count === tries * 130) throw new ConnectorError('transient', 'reset');
        yield { day: window.from, data: { count } };
      }
    };
    const host = createHost(connectorOf({ steps: fetch }));
    const summary = await host.run({ plan: { windowDays: 1, backfillFrom: today } });
    expect(tries).toBe(3);
    expect(summary.datasets['steps']).toMatchObject({ ok: 1, read: 684, written: 300, unchanged: 384 });
    expect(host.recorded).toMatchObject([{ attempts: 3, rowsWritten: 300, rowsUnchanged: 0 }]);
    expect(host.rows.size).toBe(300);
  });
});

describe('what ends a run', () => {
  const ends: ConnectorErrorCode[] = ['auth', 'needs_user', 'rate_limited'];

  test.each(ends)('%s: the slice failed, the rest are gaps that the next run asks for', async (code) => {
    let broken = true;
    const asked: string[] = [];
    const fetch = (name: string): Fetch =>
      async function* ({ window }) {
        asked.push(name);
        if (name === 'b' && broken) throw new ConnectorError(code, 'no', { retryAfterMs: 60_000 });
        yield { day: window.from, data: 1 };
      };
    const host = createHost(connectorOf({ a: fetch('a'), b: fetch('b'), c: fetch('c') }));
    const plan = { windowDays: 1, backfillFrom: '2026-02-25' };
    const summary = await host.run({ plan });
    expect(asked).toEqual(['a', 'b']);
    expect(summary).toMatchObject({
      status: 'failed',
      slicesPlanned: 6,
      error: { code, retryAfterMs: 60_000 },
    });
    expect(host.recorded.map(({ dataset, outcome }) => `${dataset} ${outcome}`)).toEqual([
      'a ok',
      'b failed',
    ]);

    broken = false;
    expect(await host.run({ plan })).toMatchObject({ status: 'succeeded', slicesPlanned: 6 });
    expect([...host.entries.values()].every(({ outcome }) => outcome === 'ok')).toBe(true);
    expect(host.entries.size).toBe(6);
  });

  test('slices at work beside it are given up and stay gaps', async () => {
    const slow: Fetch = async function* ({ window, signal }) {
      yield { day: window.from, data: 1 };
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
    };
    const refused: Fetch = async function* (context) {
      await new Promise(setImmediate);
      yield* throwing(new ConnectorError('auth', 'no'))(context);
    };
    const host = createHost(connectorOf({ slow, refused }));
    const summary = await host.run({
      policies: { concurrency: 2 },
      plan: { windowDays: 1, backfillFrom: today },
    });
    expect(summary).toMatchObject({ status: 'failed', error: { code: 'auth' } });
    expect(host.recorded.map(({ dataset }) => dataset)).toEqual(['refused']);
  });

  test.each<[string, unknown, string]>([
    ['a refused login', new ConnectorError('auth', 'wrong password'), 'auth'],
    ['a login that needs a person', new ConnectorError('needs_user', 'code wanted'), 'needs_user'],
    ['a login that breaks', new TypeError('x is undefined'), 'plugin_bug'],
  ])('%s: a failed run with the code, and nothing recorded', async (_what, error, code) => {
    const host = createHost(connectorOf({ steps: answers }, { login: () => Promise.reject(error as Error) }));
    const summary = await host.run();
    expect(summary).toMatchObject({ status: 'failed', slicesPlanned: 0, datasets: {}, error: { code } });
    expect(host.recorded).toEqual([]);
  });

  test('a wrong configuration: a failed run that says which key', async () => {
    const config = z.object({ station: z.string() });
    const host = createHost(connectorOf({ steps: answers }, { config }));
    expect(await host.run()).toMatchObject({
      status: 'failed',
      error: { code: 'config', message: expect.stringContaining('station') },
    });
  });
});

describe('a run that is told to stop', () => {
  test('records nothing of the slice at work, and the next run completes it', async () => {
    const controller = new AbortController();
    let stop = true;
    const fetch: Fetch = async function* ({ window }) {
      for (let count = 0; count < 200; count += 1) {
        if (stop && window.from === '2026-02-25' && count === 150) {
          controller.abort(new Error('told to stop'));
          await new Promise(() => undefined);
        }
        yield { day: window.from, data: { count } };
      }
    };
    const host = createHost(connectorOf({ steps: fetch }));
    const summary = await host.run({ signal: controller.signal });
    expect(summary.status).toBe('interrupted');
    expect(host.recorded.map(({ day }) => day)).toEqual(['2026-02-26']);
    // Of what was read of it, all or nothing is stored.
    const before = host.rows.size - 200;
    expect([0, 128]).toContain(before);
    expect(host.closed).toHaveBeenCalledOnce();

    stop = false;
    expect((await host.run()).status).toBe('succeeded');
    expect(host.rows.size).toBe(400);
    expect(host.recorded.at(-1)).toMatchObject({
      day: '2026-02-25',
      outcome: 'ok',
      rowsWritten: 200 - before,
      rowsUnchanged: before,
    });
  });

  test('ends only when the write at work is over, so that the sink can be closed', async () => {
    const controller = new AbortController();
    const writing = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const host = createHost(connectorOf({ steps: answers }));
    const sink: SinkWriter = {
      async write() {
        writing.resolve();
        await commit.promise;
        host.history.push('write over');
        throw new Error('aborted');
      },
      async close() {},
    };
    const running = host
      .run({ sink, signal: controller.signal })
      .then(({ status }) => host.history.push(status));
    await writing.promise;
    controller.abort();
    await new Promise(setImmediate);
    commit.resolve();
    await running;
    expect(host.history).toEqual(['write over', 'interrupted']);
  });

  test('ends though the sink never answers', async () => {
    vi.useFakeTimers();
    try {
      const controller = new AbortController();
      const writing = Promise.withResolvers<void>();
      const write = () => {
        writing.resolve();
        return new Promise<never>(() => undefined);
      };
      const host = createHost(connectorOf({ steps: answers }));
      const running = host.run({ sink: { write }, signal: controller.signal });
      await writing.promise;
      controller.abort();
      await vi.runAllTimersAsync();
      expect((await running).status).toBe('interrupted');
    } finally {
      vi.useRealTimers();
    }
  });

  test('before login is interrupted and has done nothing', async () => {
    const host = createHost(connectorOf({ steps: answers }));
    expect(await host.run({ signal: AbortSignal.abort() })).toMatchObject({
      status: 'interrupted',
      slicesPlanned: 0,
    });
    expect(host.rows.size).toBe(0);
  });
});

describe('the sink', () => {
  test('that refuses events as conflicts makes the run partial, and nothing is overwritten', async () => {
    const host = createHost(connectorOf({ steps: answers }));
    await host.run();
    for (const [key, event] of host.rows) host.rows.set(key, { ...event, payloadHash: 'another' });
    const before = new Map(host.rows);
    const summary = await host.run();
    expect(summary).toMatchObject({
      status: 'partial',
      datasets: { steps: { ok: 2, conflicts: 2, written: 0 } },
    });
    expect(host.rows).toEqual(before);
  });

  test('that fails makes the slice fail with its code, and nothing is remembered as read', async () => {
    const host = createHost(connectorOf({ steps: answers }));
    const write = () =>
      Promise.reject(Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' }));
    const summary = await host.run({ sink: { write } });
    expect(summary).toMatchObject({ status: 'partial', datasets: { steps: { failed: 2, ok: 0 } } });
    expect(host.recorded).toMatchObject([
      { outcome: 'failed', errorCode: 'ECONNREFUSED' },
      { outcome: 'failed', errorCode: 'ECONNREFUSED' },
    ]);
  });

  test('that fails for a moment is asked again', async () => {
    const host = createHost(connectorOf({ steps: answers }));
    let failures = 1;
    const write: SinkWriter['write'] = async (batch, options) => {
      if (failures-- > 0) throw new ConnectorError('transient', 'deadlock');
      return host.sink.write(batch, options);
    };
    expect((await host.run({ sink: { write } })).status).toBe('succeeded');
    expect(host.rows.size).toBe(2);
  });

  test('that answers for too few events makes the slice fail', async () => {
    const host = createHost(connectorOf({ steps: answers }));
    const write = async () => ({ written: 0, unchanged: 0, conflicts: [], rows: [] });
    expect((await host.run({ sink: { write } })).datasets['steps']).toMatchObject({
      failed: 2,
    });
  });

  test('sets the pace: of an endless fetch, so much is read ahead of what is stored and no more', async () => {
    const controller = new AbortController();
    let made = 0;
    const endless: Fetch = async function* ({ window }) {
      for (;;) {
        made += 1;
        yield { day: window.from, data: { made } };
      }
    };
    const ahead: number[] = [];
    let stored = 0;
    const write: SinkWriter['write'] = async (batch) => {
      // Slower than the source: were batches made ahead, they would be by now.
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
      ahead.push(made - stored - batch.length);
      stored += batch.length;
      if (ahead.length === 8) controller.abort();
      const rows = batch.map(() => ({ outcome: 'written', rawId: 'r', ingestedAt: 'now' }) as const);
      return { written: batch.length, unchanged: 0, conflicts: [], rows };
    };
    const host = createHost(connectorOf({ endless }));
    const { status } = await host.run({ sink: { write }, signal: controller.signal });
    expect(status).toBe('interrupted');
    expect(stored).toBeGreaterThan(5000);
    // Three writes are under way, and as much as one more waits; one batch is on its way.
    expect(Math.max(...ahead)).toBeLessThanOrEqual(3 * 2_048 + 128);
  });
});

describe('the ledger', () => {
  test('that cannot be read rejects the run before anything is fetched', async () => {
    const fetch = vi.fn(answers);
    const host = createHost(connectorOf({ steps: fetch }));
    const error = new Error('no ledger');
    const ledger: Ledger = { ...host.ledger, read: () => Promise.reject(error) };
    await expect(host.run({ ledger })).rejects.toBe(error);
    expect(fetch).not.toHaveBeenCalled();
    expect(host.closed).toHaveBeenCalledOnce();
  });

  test('that cannot be written rejects the run and nothing more is asked of the source', async () => {
    const fetch = vi.fn(answers);
    const host = createHost(connectorOf({ steps: fetch }));
    const error = new Error('no ledger');
    const ledger: Ledger = { ...host.ledger, record: () => Promise.reject(error) };
    await expect(host.run({ ledger, plan: { backfillFrom: '2026-01-01' } })).rejects.toBe(error);
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(host.closed).toHaveBeenCalledOnce();
  });

  test('that cannot be written while the run is ending rejects too', async () => {
    const error = new Error('no ledger');
    const host = createHost(connectorOf({ steps: throwing(new ConnectorError('auth', 'no')) }));
    const controller = new AbortController();
    const record = () => {
      controller.abort();
      return Promise.reject(error);
    };
    await expect(host.run({ ledger: { ...host.ledger, record }, signal: controller.signal })).rejects.toBe(
      error,
    );
  });

  test('is asked for the days from the history on', async () => {
    const host = createHost(connectorOf({ steps: answers }));
    const read = vi.fn<Ledger['read']>(async () => []);
    await host.run({ ledger: { ...host.ledger, read }, plan: { backfillFrom: '2026-02-20' } });
    await host.run({ ledger: { ...host.ledger, read }, plan: { backfillFrom: '2026-03-05' } });
    expect(read.mock.calls).toEqual([
      ['mine', expect.objectContaining({ from: '2026-02-20' })],
      ['mine', expect.objectContaining({ from: today })],
    ]);
  });
});

describe('the connector', () => {
  test.each<[string, Fetch]>([
    ['succeeds', answers],
    ['is partial', throwing(new ConnectorError('source', 'no'))],
    ['fails', throwing(new ConnectorError('auth', 'no'))],
  ])('is closed once when the run %s, after the last slice', async (_how, fetch) => {
    const host = createHost(connectorOf({ steps: fetch }));
    host.closed.mockImplementation(() => host.history.push('closed'));
    await host.run();
    expect(host.closed).toHaveBeenCalledOnce();
    expect(host.history.at(-1)).toBe('closed');
  });

  test('that cannot log out changes nothing of the run', async () => {
    const logout = () => {
      throw new Error('no');
    };
    const host = createHost(connectorOf({ steps: answers }, { logout }));
    expect((await host.run()).status).toBe('succeeded');
  });
});

describe('a budget of requests', () => {
  test('that is spent ends the run without a word on the rest, and the next run completes it', async () => {
    let count: () => void = () => undefined;
    const asked: string[] = [];
    const counting = (name: string): Fetch =>
      async function* ({ window }) {
        count();
        asked.push(`${name} ${window.from}`);
        yield { day: window.from, data: 1 };
      };
    const login: Connector['login'] = async ({ countRequest }) => {
      count = countRequest;
      countRequest();
      return {};
    };
    const host = createHost(connectorOf({ a: counting('a'), b: counting('b') }, { login }));
    const summary = await host.run({ budget: 3, policies: { breakAfter: 1 } });
    expect(summary).toMatchObject({
      status: 'partial',
      slicesPlanned: 4,
      requests: 3,
      error: { code: 'budget_spent' },
    });
    expect(asked).toHaveLength(2);
    expect(host.recorded.map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);

    expect(await host.run()).toMatchObject({ status: 'succeeded', requests: 5 });
    expect([...host.entries.values()].map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  test('that is spent at login is told as what ended the run', async () => {
    const login: Connector['login'] = async ({ countRequest }) => {
      countRequest();
      return {};
    };
    const host = createHost(connectorOf({ steps: answers }, { login }));
    expect(await host.run({ budget: 0 })).toMatchObject({
      status: 'partial',
      requests: 0,
      error: { code: 'budget_spent' },
    });
    expect(host.recorded).toEqual([]);
  });
});

/** A connector of one dataset that answers for spans, and throws for those that hold a day of `bad`. */
function spanConnector(bad: readonly Day[], error: ConnectorError, asked: string[] = []): Connector {
  return defineConnector({
    ...connectorOf({}),
    account: () => 'north',
    config: z.object({}),
    login: async () => ({}),
    datasets: {
      weight: {
        granularity: 'range',
        spanDays: 28,
        settleDays: 1,
        description: 'Weight.',
        async *fetch({ window }) {
          asked.push(`${window.from} ${daysOf(window).length}`);
          for (const day of daysOf(window)) {
            if (day === bad[0] && bad.length === 1) yield { day: window.from, data: 'read before it broke' };
            if (bad.includes(day)) throw error;
          }
          for (const day of daysOf(window)) yield { day, data: 1 };
        },
      },
    },
  });
}

describe('a span that is refused', () => {
  const month = daysOf({ from: addDays(today, -27), to: addDays(today, 1) });
  const plan = { backfillFrom: month[0]!, windowDays: 1 };
  const refusal = new ConnectorError('bad_data', 'Expected a number');

  test.each(month)('costs the one day that cannot be read, %s', async (day) => {
    const asked: string[] = [];
    const host = createHost(spanConnector([day], refusal, asked));
    const summary = await host.run({ plan });
    expect(summary).toMatchObject({ status: 'partial', datasets: { weight: { ok: 27, failed: 1 } } });
    expect(host.entries.get(`weight ${day}`)).toMatchObject({ outcome: 'failed' });
    expect(asked.length).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(28)));
  });

  test.each<[string, ConnectorError, number]>([
    ['when the source refuses', new ConnectorError('source', 'window too long', { status: 400 }), 1],
    ['not when it forbids', new ConnectorError('source', 'forbidden', { status: 403 }), 28],
    ['not when trying again may help', new ConnectorError('transient', 'reset'), 28],
  ])('is read in halves: %s', async (_when, error, failed) => {
    const host = createHost(spanConnector(['2026-02-10'], error));
    expect((await host.run({ plan, policies: { attempts: 1 } })).datasets['weight']).toMatchObject({
      failed,
    });
  });

  test('on every day is given up by the breaker', async () => {
    const asked: string[] = [];
    const host = createHost(spanConnector(month, refusal, asked));
    expect((await host.run({ plan })).datasets['weight']).toMatchObject({ ok: 0, failed: 5, notAsked: 23 });
    expect(asked.length).toBeLessThan(20);
    // Only days that were asked for by themselves are known to have failed.
    expect(host.recorded).toHaveLength(5);
  });
});

describe('what a dataset is known to lack', () => {
  test('is recorded without a fetch, with the reason and no attempt', async () => {
    const fetch = vi.fn(answers);
    const connector = connectorOf({ steps: fetch, sleep: answers });
    const listDatasets: Connector['listDatasets'] = async (session) =>
      (await connector.listDatasets(session)).map((info) =>
        info.name === 'steps' ? { ...info, notSupported: 'No credential covers it' } : info,
      );
    const host = createHost({ ...connector, listDatasets });
    const summary = await host.run();
    expect(summary).toMatchObject({ status: 'succeeded', datasets: { steps: { not_supported: 2 } } });
    expect(fetch).not.toHaveBeenCalled();
    expect(host.recorded[0]).toMatchObject({
      dataset: 'steps',
      outcome: 'not_supported',
      attempts: 0,
      errorCode: 'not_supported',
      errorMessage: 'No credential covers it',
    });
  });

  test('is asked for once it is known no more', async () => {
    const refused = createHost(
      connectorOf({ steps: throwing(new ConnectorError('not_supported', 'no watch')) }),
    );
    const plan = { windowDays: 3, backfillFrom: '2026-02-24' };
    const week = 7 * 86_400_000;
    await refused.run({ plan });
    const later = await refused.run({ plan, clock: { now: () => now + week - 1 } });
    expect(later.datasets['steps']).toMatchObject({ not_supported: 7 });
    expect(refused.recorded.at(-1)).toMatchObject({
      attempts: 0,
      errorMessage: expect.stringContaining('since'),
    });
    await refused.run({ plan, clock: { now: () => now + week } });
    expect(refused.recorded.at(-1)).toMatchObject({ attempts: 1, errorMessage: 'no watch' });
  });
});

/** A connector of two datasets of which one is watched, and what it was asked. */
function watchedConnector(says: {
  lastChange?: () => Promise<string | undefined>;
  dayMarks?: () => Promise<Readonly<Record<Day, string>>>;
}) {
  const asked: string[] = [];
  const fetch = (name: string): Fetch =>
    async function* ({ window }) {
      asked.push(`${name} ${window.from}`);
      yield { day: window.from, data: 1, note: 'offloaded' };
    };
  const dataset = { granularity: 'day', settleDays: 2, description: 'Data.' } as const;
  const connector = defineConnector({
    ...connectorOf({}),
    account: () => 'north',
    config: z.object({}),
    login: async () => ({}),
    ...says,
    datasets: {
      steps: { ...dataset, watched: true, fetch: fetch('steps') },
      weight: { ...dataset, fetch: fetch('weight') },
    },
  });
  return { connector, asked };
}

describe('marks of days', () => {
  const marks = { '2026-02-25': 'a', '2026-02-26': 'a' };

  test('are asked for once, remembered, and spare the days that did not change', async () => {
    const dayMarks = vi.fn(async () => marks);
    const { connector, asked } = watchedConnector({ dayMarks });
    const host = createHost(connector);
    await host.run();
    expect(dayMarks).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ window: { from: '2026-02-25', to: '2026-02-27' } }),
    );
    expect(host.recorded.map(({ dataset, mark }) => [dataset, mark])).toEqual([
      ['steps', 'a'],
      ['weight', undefined],
      ['steps', 'a'],
      ['weight', undefined],
    ]);
    asked.length = 0;
    await host.run({ clock: { now: () => now + 3_600_000 } });
    expect(asked).toEqual(['steps 2026-02-26', 'weight 2026-02-26', 'weight 2026-02-25']);
  });

  test('are asked for four weeks at most, and never for what a person named', async () => {
    const dayMarks = vi.fn(async () => marks);
    const host = createHost(watchedConnector({ dayMarks }).connector);
    await host.run({ plan: { backfillFrom: '2025-01-01', only: { from: '2026-02-20', to: '2026-02-21' } } });
    const { datasets } = await host.run({ plan: { onlyDatasets: ['steps'] } });
    expect(Object.keys(datasets)).toEqual(['steps']);
    expect(dayMarks).not.toHaveBeenCalled();
    await host.run({ plan: { backfillFrom: '2026-01-01' } });
    expect(dayMarks).toHaveBeenCalledWith(
      expect.objectContaining({ window: { from: '2026-01-30', to: '2026-02-27' } }),
    );
  });

  test('that cannot be told are done without, which is told', async () => {
    const dayMarks = () => Promise.reject(new ConnectorError('bad_data', 'no rows'));
    const { connector, asked } = watchedConnector({ dayMarks });
    const host = createHost(connector);
    const failed = vi.fn();
    host.bus.on('question:failed', failed);
    expect((await host.run()).status).toBe('succeeded');
    expect(asked).toHaveLength(4);
    expect(failed).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ question: 'dayMarks', code: 'bad_data', message: 'no rows' }),
    );
  });

  test.each<ConnectorErrorCode>(['auth', 'needs_user', 'rate_limited'])(
    'refused with %s end the run before anything else is asked',
    async (code) => {
      const { connector, asked } = watchedConnector({
        dayMarks: () => Promise.reject(new ConnectorError(code, 'no')),
      });
      expect(await createHost(connector).run()).toMatchObject({ status: 'failed', error: { code } });
      expect(asked).toEqual([]);
    },
  );

  test('a note of the source is remembered beside the day', async () => {
    const host = createHost(watchedConnector({}).connector);
    await host.run();
    expect(new Set(host.recorded.map(({ note }) => note))).toEqual(new Set(['offloaded']));
  });
});

describe('a run nobody asked for', () => {
  const at = now - 3_600_000;

  async function afterPass(change: Change, lastChange: () => Promise<string | undefined> = async () => 'a') {
    const { connector, asked } = watchedConnector({ lastChange });
    const host = createHost(connector);
    const first = await host.run({ clock: { now: () => at } });
    asked.length = 0;
    const summary = await host.run({ lastPass: { change: 'a', at }, ...change });
    return { first, summary, asked, host };
  }

  test('is skipped when nothing changed since the last one of the day', async () => {
    const { first, summary, asked } = await afterPass({});
    expect(first).toMatchObject({ status: 'succeeded', lastChange: 'a' });
    expect(summary).toMatchObject({
      status: 'succeeded',
      slicesPlanned: 0,
      skipped: expect.stringContaining('nothing new'),
    });
    expect(asked).toEqual([]);
  });

  test.each<[string, Change]>([
    ['the last one was on another day', { lastPass: { change: 'a', at: at - 86_400_000 } }],
    ['something changed since', { lastPass: { change: 'b', at } }],
    ['more history is wanted', { plan: { backfillFrom: '2026-02-20' } }],
  ])('is made when %s', async (_when, change) => {
    const { summary, asked } = await afterPass(change);
    expect(summary.skipped).toBeUndefined();
    expect(asked.length).toBeGreaterThan(0);
  });

  test('is made when what changed is not known', async () => {
    const unknown = async () => undefined;
    const broken = () => Promise.reject(new ConnectorError('source', 'no'));
    for (const lastChange of [unknown, broken]) {
      const { summary, asked } = await afterPass({}, lastChange);
      expect(summary).toMatchObject({ status: 'succeeded', slicesPlanned: 4 });
      expect(summary.lastChange).toBeUndefined();
      expect(asked).toHaveLength(4);
    }
  });

  test('is made when a day failed', async () => {
    const { connector, asked } = watchedConnector({ lastChange: async () => 'a' });
    const host = createHost(connector);
    await host.run({ clock: { now: () => at } });
    const known = host.entries.get(`steps ${today}`)!;
    host.entries.set(`steps ${today}`, { ...known, outcome: 'failed' });
    asked.length = 0;
    await host.run({ lastPass: { change: 'a', at } });
    expect(asked).not.toEqual([]);
  });
});

describe('a run that is told to begin nothing more', () => {
  const plan = { windowDays: 1, backfillFrom: today };

  test('finishes the slice under way, records it, and leaves the rest as gaps', async () => {
    const drain = new AbortController();
    const drained: Fetch = async function* (asked) {
      drain.abort();
      await new Promise(setImmediate);
      yield* answers(asked);
    };
    const host = createHost(connectorOf({ steps: drained, sleep: answers, weight: answers }));
    const summary = await host.run({ plan, drain: drain.signal });
    expect(summary.status).toBe('interrupted');
    expect(summary.error).toBeUndefined();
    expect(host.recorded.map(({ dataset, outcome }) => [dataset, outcome])).toEqual([['steps', 'ok']]);
    expect(host.rows.size).toBe(1);
    await host.run({ plan });
    expect(new Set(host.recorded.map(({ dataset }) => dataset))).toEqual(
      new Set(['steps', 'sleep', 'weight']),
    );
  });

  test('at its last slice ends as it would have', async () => {
    const drain = new AbortController();
    const drained: Fetch = async function* (asked) {
      drain.abort();
      yield* answers(asked);
    };
    const host = createHost(connectorOf({ steps: drained }));
    expect(await host.run({ plan, drain: drain.signal })).toMatchObject({ status: 'succeeded' });
  });

  test('between two tries does not wait for the second, and records nothing of the slice', async () => {
    const drain = new AbortController();
    const fails = throwing(new ConnectorError('transient', 'no answer'));
    const host = createHost(connectorOf({ steps: fails, sleep: answers }));
    host.bus.on('slice:retry', () => setImmediate(() => drain.abort()));
    const began = performance.now();
    const summary = await host.run({ plan, drain: drain.signal, policies: { firstRetryDelayMs: 60_000 } });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(summary).toMatchObject({ status: 'interrupted' });
    expect(host.recorded).toEqual([]);
  });

  test('during a try that fails for good records the failure', async () => {
    const drain = new AbortController();
    const fails: Fetch = async function* (asked) {
      drain.abort();
      await new Promise(setImmediate);
      yield* throwing(new ConnectorError('bad_data', 'no number'))(asked);
    };
    const host = createHost(connectorOf({ steps: fails, sleep: answers }));
    const summary = await host.run({ plan, drain: drain.signal });
    expect(summary.status).toBe('interrupted');
    expect(host.recorded).toMatchObject([{ dataset: 'steps', outcome: 'failed', errorCode: 'bad_data' }]);
  });

  test('in its login lets it end, and asks nothing more', async () => {
    const drain = new AbortController();
    const loggedIn = vi.fn();
    const login = async () => {
      drain.abort();
      await new Promise(setImmediate);
      loggedIn();
      return {};
    };
    const host = createHost(connectorOf({ steps: answers }, { login }));
    expect(await host.run({ plan, drain: drain.signal })).toMatchObject({ status: 'interrupted' });
    expect(loggedIn).toHaveBeenCalledOnce();
    expect(host.recorded).toEqual([]);
    expect(host.closed).toHaveBeenCalledOnce();
  });

  test('before it has logged in does not', async () => {
    const open = vi.fn();
    const host = createHost(connectorOf({ steps: answers }));
    expect(await host.run({ plan, drain: AbortSignal.abort(), open })).toMatchObject({
      status: 'interrupted',
    });
    expect(open).not.toHaveBeenCalled();
  });

  test('for a reason with a code tells of it', async () => {
    const drain = new AbortController();
    const drained: Fetch = async function* (asked) {
      drain.abort(Object.assign(new Error('Ran for an hour'), { code: 'too_long' }));
      yield* answers(asked);
    };
    const host = createHost(connectorOf({ steps: drained, sleep: answers }));
    expect(await host.run({ plan, drain: drain.signal })).toMatchObject({
      status: 'partial',
      error: { code: 'too_long', message: 'Ran for an hour' },
    });
  });

  test('remembers that the source asked for quiet meanwhile', async () => {
    const drain = new AbortController();
    const refuses: Fetch = async function* (asked) {
      drain.abort();
      await new Promise(setImmediate);
      yield* throwing(new ConnectorError('rate_limited', 'too many', { retryAfterMs: 60_000 }))(asked);
    };
    const host = createHost(connectorOf({ steps: refuses, sleep: answers }));
    expect(await host.run({ plan, drain: drain.signal })).toMatchObject({
      status: 'failed',
      error: { code: 'rate_limited', retryAfterMs: 60_000 },
    });
  });
});
