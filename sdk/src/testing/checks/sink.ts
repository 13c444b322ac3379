import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from '../../errors.ts';
import type { RawEvent, WriteResult } from '../../sink.ts';
import { expectThat, sinkCheck, type Check } from '../check.ts';
import { eventOf, sampleEvents } from '../events.ts';
import { describeError } from './login.ts';
import {
  startPluginProcess,
  ThrownByPlugin,
  withSinkProcess,
  type PluginProcess,
} from '../plugin-process.ts';
import type { SinkSubject } from '../subject.ts';
import {
  expectCounts,
  expectStored,
  instantOf,
  rowsOf,
  withSink,
  withTarget,
  withWriter,
  type Target,
  type Write,
} from '../target.ts';
import { writeTogether } from './sink-together.ts';

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

/** The second answer names the rows that the first one made, each event its own. */
function expectSameRows(batch: readonly RawEvent[], first: WriteResult, again: WriteResult): void {
  const ids = new Set(first.rows.map(({ rawId }) => rawId));
  expectThat(
    ids.size === batch.length && !ids.has(''),
    () => `Expected a rawId of its own for each of ${batch.length} rows, got ${[...ids].join()}`,
  );
  for (const [at, { externalId }] of batch.entries()) {
    const made = first.rows[at];
    const found = again.rows[at];
    const isSame =
      made?.rawId === found?.rawId &&
      instantOf(made?.ingestedAt ?? '') === instantOf(found?.ingestedAt ?? '');
    expectThat(
      isSame,
      () =>
        `Expected ${externalId}, written again, to be answered with the row that stands, ${made?.rawId} of ${made?.ingestedAt}, got ${found?.rawId} of ${found?.ingestedAt}: answer with what is stored`,
    );
  }
}

/** At a moment of its own, to the microsecond; also one whose digits end in zeros. */
function withFraction(event: RawEvent, number: number): RawEvent {
  const fraction = String(number * 12_345).padStart(6, '0');
  return { ...event, occurredAt: event.occurredAt.replace('+', `.${fraction}+`) };
}

/** The same event: its moment as another clock says it, on the same day. */
function inAnotherZone(event: RawEvent): RawEvent {
  const occurredAt = event.occurredAt.replace('T00:', 'T01:').replace('+08:00', '+09:00');
  return { ...event, occurredAt };
}

async function checkTwice(subject: SinkSubject): Promise<void> {
  await withSink(subject, async (write, target) => {
    // Keys are told apart by every letter, and by the source.
    const others = [eventOf(subject, { id: 'SUITE::0', data: '{"number":19}' })];
    if (subject.sourceId === undefined)
      others.push(eventOf({ ...subject, sourceId: 'suite-2' }, { id: 'suite::0', data: '{"number":20}' }));
    const batch = [...sampleEvents(subject, 19), ...others].map(withFraction);
    const first = await write(...batch);
    expectCounts(first, { written: batch.length });
    const again = await write(...batch);
    expectCounts(again, { unchanged: batch.length }, 'the same batch again');
    expectSameRows(batch, first, again);
    expectCounts(
      await write(...batch.map(inAnotherZone)),
      { unchanged: batch.length },
      'the same batch with its times written in another zone',
    );
    await expectStored(target, batch);
  });
}

/** Another day, another part of the same second, the next microsecond. */
const otherTimes = [
  '2026-02-27T00:00:00.25+08:00',
  '2026-02-26T00:00:00.75+08:00',
  '2026-02-26T00:00:00.250001+08:00',
];

async function checkConflict(subject: SinkSubject): Promise<void> {
  await withSink(subject, async (write, target) => {
    const make = (data: string, occurredAt = '2026-02-26T00:00:00.25+08:00'): RawEvent => ({
      ...eventOf(subject, { id: 'suite::taken', data }),
      occurredAt,
    });
    const first = make('{"value":1}');
    expectCounts(await write(first), { written: 1 });
    const others = [make('{"value":2}'), ...otherTimes.map((time) => make('{"value":1}', time))];
    for (const [at, other] of others.entries()) {
      const fresh = eventOf(subject, { id: `suite::fresh ${at}`, data: '{}' });
      const batch = [fresh, other, first];
      const result = await write(...batch);
      const what = at === 0 ? 'another payload' : `${other.occurredAt} instead of ${first.occurredAt}`;
      const of = `a new event, a taken key with ${what}, and the event that has the key`;
      expectCounts(result, { written: 1, unchanged: 1, conflicts: 1 }, of);
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
  'a lone surrogate that is not escaped': '"\ud800"',
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

/** Writes each event that may be refused among good ones; resolves with one that was. */
async function findRefused(subject: SinkSubject): Promise<RawEvent | undefined> {
  let refused: RawEvent | undefined;
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
      expectCounts(await write(...good), { written: 4 }, 'the batch without the refused event');
      await expectStored(target, good);
      refused = event;
    }
  });
  return refused;
}

async function checkPoison(subject: SinkSubject): Promise<void> {
  await writeTogether(subject, await findRefused(subject));
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
