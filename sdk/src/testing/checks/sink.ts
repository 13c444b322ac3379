import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from '../../errors.ts';
import type { RawEvent, SinkWriter, WriteResult } from '../../sink.ts';
import { expectThat, sinkCheck, type Check } from '../check.ts';
import { eventOf, sampleEvents } from '../events.ts';
import { exactJson } from '../exact-json.ts';
import { describeError } from './login.ts';
import {
  startPluginProcess,
  ThrownByPlugin,
  withSinkProcess,
  type PluginProcess,
} from '../plugin-process.ts';
import type { OpenTarget, SinkSubject, StoredEvent } from '../subject.ts';

const log = { debug() {}, info() {}, warn() {} };

/** A place to write to, and how what is stored there is looked at. */
interface Target extends Pick<OpenTarget, 'config' | 'stored'> {
  /** What -0 comes back as. */
  readonly minusZero: '0' | '-0';
}

async function withTarget(subject: SinkSubject, use: (target: Target) => Promise<void>): Promise<void> {
  const target = await subject.open();
  const minusZero = subject.hasOneZero === true ? '0' : '-0';
  try {
    await use({ config: target.config, stored: () => target.stored(), minusZero });
  } finally {
    await target.close?.();
  }
}

type Write = (...batch: RawEvent[]) => Promise<WriteResult>;

/** Opens a new target and the sink on it, in this process. */
function withSink(subject: SinkSubject, use: (write: Write, target: Target) => Promise<void>): Promise<void> {
  return withTarget(subject, async (target) => {
    const { signal } = new AbortController();
    await withWriter(subject, target, (writer) =>
      use(async (...batch) => writer.write(batch, { signal }), target),
    );
  });
}

/** The rows under these events' ids. */
async function rowsOf(target: Target, batch: readonly RawEvent[]): Promise<StoredEvent[]> {
  const ids = new Set(batch.map(({ externalId }) => externalId));
  return (await target.stored()).filter(({ externalId }) => ids.has(externalId));
}

/** The row of each event is there, once, and says what the event says. */
async function expectStored(target: Target, batch: readonly RawEvent[]): Promise<void> {
  const rows = await rowsOf(target, batch);
  expectThat(rows.length === batch.length, () => `Expected ${batch.length} rows, got ${rows.length}`);
  for (const event of batch) {
    const row = rows.find(
      ({ externalId, sourceId }) => externalId === event.externalId && sourceId === event.sourceId,
    );
    expectThat(row?.sourceId === event.sourceId, () => `Expected a row of ${event.externalId}, got none`);
    expectThat(
      Date.parse(row.occurredAt) === Date.parse(event.occurredAt),
      () => `Expected ${event.externalId} to have occurred at ${event.occurredAt}, got ${row.occurredAt}`,
    );
    expectThat(
      exactJson(row.payload, target.minusZero) === exactJson(event.payload, target.minusZero),
      () =>
        `Expected the payload of ${event.externalId} as it was written, got ${difference(event.payload, row.payload)}`,
    );
  }
}

function difference(wanted: string, found: string): string {
  const at = Array.from(wanted).findIndex((character, index) => character !== found[index]);
  return `${found.slice(Math.max(0, at - 20), at + 40)} where ${wanted.slice(Math.max(0, at - 20), at + 40)} was expected`;
}

/** Each row says what became of its own event, and the conflicts are the events they are said of. */
function expectRows(
  { rows, conflicts }: WriteResult,
  batch: readonly RawEvent[],
  outcomes: readonly string[],
): void {
  const found = rows.map(({ outcome }) => outcome).join();
  expectThat(
    found === outcomes.join(),
    () => `Expected a row for each event in its order, ${outcomes.join()}, got ${found}`,
  );
  const named = conflicts.map(({ externalId }) => externalId).join();
  const wanted = batch
    .filter((_, index) => outcomes[index] === 'conflict')
    .map(({ externalId }) => externalId);
  expectThat(
    named === wanted.join(),
    () => `Expected conflicts to be the events ${wanted.join()}, got ${named}`,
  );
}

function expectCounts(
  { written, unchanged, conflicts, rows }: WriteResult,
  wanted: { written?: number; unchanged?: number; conflicts?: number },
): void {
  const found = { written, unchanged, conflicts: conflicts.length };
  const whole = { written: 0, unchanged: 0, conflicts: 0, ...wanted };
  expectThat(
    JSON.stringify(found) === JSON.stringify(whole),
    () => `Expected ${JSON.stringify(whole)}, got ${JSON.stringify(found)}`,
  );
  const outcomes = rows.map(({ outcome }) => outcome);
  const count = (outcome: string): number => outcomes.filter((one) => one === outcome).length;
  const adds =
    count('written') === written &&
    count('unchanged') === unchanged &&
    count('conflict') === conflicts.length;
  expectThat(adds, () => `Expected a row for each event, in the same counts, got ${outcomes.join()}`);
}

async function checkTwice(subject: SinkSubject): Promise<void> {
  await withSink(subject, async (write, target) => {
    // Keys are told apart by every letter, and by the source.
    const others = [eventOf(subject, { id: 'SUITE::0', data: '{"number":19}' })];
    if (subject.sourceId === undefined)
      others.push(eventOf({ ...subject, sourceId: 'suite-2' }, { id: 'suite::0', data: '{"number":20}' }));
    const batch = [...sampleEvents(subject, 19), ...others];
    expectCounts(await write(...batch), { written: batch.length });
    expectCounts(await write(...batch), { unchanged: batch.length });
    await expectStored(target, batch);
  });
}

async function checkConflict(subject: SinkSubject): Promise<void> {
  await withSink(subject, async (write, target) => {
    const make = (data: string, number = 0): RawEvent =>
      eventOf(subject, { id: 'suite::taken', data, number });
    const first = make('{"value":1}');
    expectCounts(await write(first), { written: 1 });
    for (const other of [make('{"value":2}'), { ...first, occurredAt: '2026-02-27T00:00:00+08:00' }]) {
      const fresh = eventOf(subject, {
        id: `suite::fresh ${other.occurredAt} ${other.payload.length}`,
        data: '{}',
      });
      const batch = [fresh, other, first];
      const result = await write(...batch);
      expectCounts(result, { written: 1, unchanged: 1, conflicts: 1 });
      expectRows(result, batch, ['written', 'conflict', 'unchanged']);
      await expectStored(target, [first, fresh]);
    }
  });
}

const killedEvents = 500;
const kills = 6;

/** Begins to write in a process that is killed after so many milliseconds; whether the write was answered before. */
async function writeUntilKilled(
  subject: SinkSubject,
  { config }: Target,
  { batch, afterMs }: { readonly batch: readonly RawEvent[]; readonly afterMs: number },
): Promise<boolean> {
  return withSinkProcess(subject, config, async (plugin) => {
    let isDone = false;
    const writing = plugin.call({ verb: 'write', batch }).then(
      () => void (isDone = true),
      () => undefined,
    );
    await delay(afterMs);
    await plugin.kill();
    await writing;
    return isDone;
  });
}

/** Opens the sink in this process, and closes it after `use`. */
async function withWriter<Result>(
  { plugin }: SinkSubject,
  { config }: Target,
  use: (writer: SinkWriter) => Promise<Result>,
): Promise<Result> {
  const writer = await plugin.open({ config: plugin.config.parse(config), log });
  try {
    return await use(writer);
  } finally {
    await writer.close();
  }
}

/** How long a write takes that nobody disturbs, in milliseconds. */
async function durationOf(subject: SinkSubject, target: Target): Promise<number> {
  const batch = sampleEvents(subject, killedEvents, 'suite::whole');
  return withSinkProcess(subject, target.config, async (plugin) => {
    const begun = performance.now();
    await plugin.call({ verb: 'write', batch });
    return performance.now() - begun;
  });
}

async function checkKilled(subject: SinkSubject): Promise<void> {
  await withTarget(subject, async (target) => {
    const lasted = await durationOf(subject, target);
    const all: RawEvent[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const batch = sampleEvents(subject, killedEvents, `suite::${kill}`);
      // The last one is killed as soon as it was told that the batch is durable.
      const isDone = await writeUntilKilled(subject, target, {
        batch,
        afterMs: (lasted * 1.2 * kill) / (kills - 1),
      });
      // Opening is when a sink finishes or drops what was left half done; writing again tells what of it was there.
      const { signal } = new AbortController();
      const { written, unchanged } = await withWriter(subject, target, (writer) =>
        writer.write(batch, { signal }),
      );
      const isWhole = [written, unchanged].includes(killedEvents) && written + unchanged === killedEvents;
      expectThat(
        isWhole,
        () =>
          `Expected all ${killedEvents} events of a batch or none, after its writer was killed, got ${unchanged}`,
      );
      expectThat(
        !isDone || written === 0,
        () =>
          `Expected a batch that was said to be durable to outlive its writer, got ${written} events missing`,
      );
      all.push(...batch);
    }
    await expectStored(target, all);
  });
}

const races = 4;
const mostTries = 5;

/** Writes as a host does, which tries again what is transient. */
async function writeAgain(plugin: PluginProcess, batch: readonly RawEvent[]): Promise<WriteResult> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await plugin.call<WriteResult>({ verb: 'write', batch });
    } catch (error) {
      const isTransient = error instanceof ThrownByPlugin && error.thrown.code === 'transient';
      if (!isTransient || tries === mostTries) throw error;
      await delay(50 * tries);
    }
  }
}

async function checkTwoWriters(subject: SinkSubject): Promise<void> {
  await withTarget(subject, async (target) => {
    const writers = [startPluginProcess(), startPluginProcess()];
    try {
      for (const writer of writers)
        await writer.call({ verb: 'openSink', module: subject.module, config: target.config });
      for (let race = 0; race < races; race += 1) {
        const batch = sampleEvents(subject, 200, `suite::race ${race}`);
        const results = await Promise.all(writers.map((writer) => writeAgain(writer, batch)));
        const written = results.reduce((sum, result) => sum + result.written, 0);
        const unchanged = results.reduce((sum, result) => sum + result.unchanged, 0);
        expectThat(
          written === 200 && unchanged === 200,
          () => `Expected 200 events to be written once and found once, got ${written} and ${unchanged}`,
        );
        await expectStored(target, batch);
      }
    } finally {
      for (const writer of writers) await writer.kill();
    }
  });
}

const deep = 10_000;

/** Values that stores are known to change, as JSON text. */
const hardValues: Readonly<Record<string, string>> = {
  'a NUL': String.raw`"before\u0000behind"`,
  'a lone high surrogate': String.raw`"\ud800"`,
  'a lone low surrogate': String.raw`"\udc00 behind"`,
  'a string of a megabyte': JSON.stringify('x'.repeat(1_000_000)),
  'an integer beyond 2^53': '9007199254740993',
  'a long decimal': '0.1234567890123456789012345678901234567890',
  'a number beyond a double': '1e400',
  'minus zero': '-0',
  'a depth of 10,000': `${'['.repeat(deep)}${']'.repeat(deep)}`,
  'line breaks and quotes': String.raw`"a\nb\r\n\u2028\"\\"`,
  'members of odd names': String.raw`{"":1,"__proto__":2,"a\u0000":3}`,
};

/** Undefined when the sink took it and has it exactly; the refusal when it was refused by name. */
async function refusalOf(write: Write, target: Target, event: RawEvent): Promise<ConnectorError | undefined> {
  try {
    await write(event);
  } catch (error) {
    const named =
      ConnectorError.is(error) && error.code === 'bad_data' && error.message.includes(event.externalId);
    expectThat(
      named,
      () =>
        `Expected ${event.externalId} to be stored or refused as bad_data by its name, got ${describeError(error)}`,
    );
    expectThat(
      (await rowsOf(target, [event])).length === 0,
      () => `Expected nothing of the refused ${event.externalId} to be stored, got a row`,
    );
    return error;
  }
  await expectStored(target, [event]);
  return undefined;
}

function hardEvents(subject: SinkSubject): RawEvent[] {
  return Object.entries(hardValues).map(([name, data]) => eventOf(subject, { id: `suite::${name}`, data }));
}

async function checkPoison(subject: SinkSubject): Promise<void> {
  await withSink(subject, async (write, target) => {
    const poison = subject.poison
      ? [subject.poison(eventOf(subject, { id: 'suite::poison', data: '{}' }))]
      : hardEvents(subject);
    for (const [index, event] of poison.entries()) {
      const good = sampleEvents(subject, 4, `suite::beside ${index}`);
      const batch = [...good.slice(0, 2), event, ...good.slice(2)];
      const error: unknown = await write(...batch).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error === undefined) {
        await expectStored(target, batch);
        continue;
      }
      const told =
        ConnectorError.is(error) && error.code === 'bad_data' && error.message.includes(event.externalId);
      expectThat(
        told,
        () =>
          `Expected ${event.externalId} to be refused as bad_data by its name, got ${describeError(error)}`,
      );
      expectThat(
        (await rowsOf(target, [event])).length === 0,
        () => `Expected no row of the refused ${event.externalId}, got one`,
      );
      expectCounts(await write(...good), { written: 4 });
      await expectStored(target, good);
    }
  });
}

/** 39 to 44: what a sink keeps. */
export const sinkChecks: readonly Check[] = [
  sinkCheck(
    {
      id: 39,
      topic: 'Sink',
      title: 'the same batch written twice is stored once',
      why: 'Every crash is healed by writing again.',
    },
    checkTwice,
  ),
  sinkCheck(
    {
      id: 40,
      topic: 'Sink',
      title: 'a key that is taken by other data is told as a conflict, and the first stays',
      why: 'What is stored is evidence: nothing overwrites it.',
    },
    checkConflict,
  ),
  sinkCheck(
    {
      id: 41,
      topic: 'Sink',
      title: 'killed inside a write, all of a batch is there or nothing',
      why: 'Half a batch looks like a whole one.',
    },
    checkKilled,
  ),
  sinkCheck(
    {
      id: 42,
      topic: 'Sink',
      title: 'two writers with the same batch store it once',
      why: 'A host that was believed dead may still write.',
    },
    checkTwoWriters,
  ),
  sinkCheck(
    {
      id: 43,
      topic: 'Sink',
      title: 'one event that cannot be stored is refused by name, and the rest can be written',
      why: 'One bad event must cost itself and nothing else.',
    },
    checkPoison,
  ),
  sinkCheck(
    {
      id: 44,
      topic: 'Sink',
      title: 'hard values are stored exactly or refused by name, never altered',
      why: 'A value that was changed on the way is a lie nobody can find.',
    },
    (subject) =>
      withSink(subject, async (write, target) => {
        for (const event of hardEvents(subject)) await refusalOf(write, target, event);
      }),
  ),
];
