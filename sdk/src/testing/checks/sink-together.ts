import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConnectorError } from '../../errors.ts';
import type { RawEvent, SinkWriter, WriteResult } from '../../sink.ts';
import { expectThat } from '../check.ts';
import { sampleEvents } from '../events.ts';
import type { SinkSubject } from '../subject.ts';
import { expectCounts, expectStored, rowsOf, withTarget, withWriter, type Target } from '../target.ts';
import { describeError } from './login.ts';

/** A write among others. */
interface Writing {
  readonly batch: readonly RawEvent[];
  readonly fate: 'goes through' | 'is aborted' | 'has an event that is refused';
}

/** How many turns of the loop writes go on before one of them is aborted, in rounds one after the other. */
const turnsBeforeAbort = [0, 1, 5];

function writingsOf(subject: SinkSubject, round: number, refused: RawEvent | undefined): Writing[] {
  const sample = (name: string): RawEvent[] => sampleEvents(subject, 20, `suite::together ${round} ${name}`);
  const beside = sample('refused');
  return [
    { batch: sample('first'), fate: 'goes through' },
    { batch: sample('aborted'), fate: 'is aborted' },
    { batch: sample('second'), fate: 'goes through' },
    ...(refused
      ? [
          {
            batch: [...beside.slice(0, 9), refused, ...beside.slice(9)],
            fate: 'has an event that is refused' as const,
          },
        ]
      : []),
    { batch: sample('third'), fate: 'goes through' },
  ];
}

/** Begins all of them before any has ended. */
async function begin(
  writer: SinkWriter,
  writings: readonly Writing[],
  turns: number,
): Promise<PromiseSettledResult<WriteResult>[]> {
  const stop = new AbortController();
  const { signal } = new AbortController();
  const answers = writings.map(async ({ batch, fate }) =>
    writer.write(batch, { signal: fate === 'is aborted' ? stop.signal : signal }),
  );
  const settled = Promise.allSettled(answers);
  for (let turn = 0; turn < turns; turn += 1) await nextTurn();
  stop.abort(new DOMException('The check aborts it', 'AbortError'));
  return settled;
}

/** What was answered is there, whole; of the others nothing is, or all where nobody can know. */
async function expectOutcome(
  target: Target,
  { batch, fate }: Writing,
  outcome: PromiseSettledResult<WriteResult>,
): Promise<void> {
  const of = `a write that ${fate}, while others of the same writer are under way`;
  const rows = (await rowsOf(target, batch)).length;
  if (outcome.status === 'fulfilled') {
    expectCounts(outcome.value, { written: batch.length }, of);
    const lost = `Expected all ${batch.length} events of ${of}, since it was answered as stored, got ${rows}: keep the transactions of writes apart`;
    expectThat(rows === batch.length, () => lost);
    return expectStored(target, batch);
  }
  const isTransient = ConnectorError.is(outcome.reason) && outcome.reason.code === 'transient';
  expectThat(
    fate !== 'goes through' || isTransient,
    () => `Expected an answer to ${of}, got ${describeError(outcome.reason)}`,
  );
  const mayStand = fate === 'is aborted' || isTransient;
  expectThat(
    rows === 0 || (mayStand && rows === batch.length),
    () =>
      `Expected nothing of ${of}, since it was refused, got ${rows} of ${batch.length} events: roll back what belongs to it`,
  );
}

/**
 * Has several writes under way on one writer, as a host has, of which one is aborted and one has an event that the sink
 * refuses, where it refuses any: each stands for itself.
 */
export async function writeTogether(subject: SinkSubject, refused: RawEvent | undefined): Promise<void> {
  await withTarget(subject, (target) =>
    withWriter(subject, target, async (writer) => {
      for (const [round, turns] of turnsBeforeAbort.entries()) {
        const writings = writingsOf(subject, round, refused);
        const outcomes = await begin(writer, writings, turns);
        for (const [at, writing] of writings.entries()) await expectOutcome(target, writing, outcomes[at]!);
        const answered = writings.filter(
          ({ fate }, at) => fate === 'goes through' && outcomes[at]?.status === 'fulfilled',
        );
        expectThat(
          answered.length > 0,
          () => 'Expected one of three writes at once to be answered, got transient for each',
        );
      }
    }),
  );
}
