import { parseInstant } from '../instant.ts';
import type { RawEvent, SinkWriter, WriteResult } from '../sink.ts';
import { expectThat } from './check.ts';
import { exactJson } from './exact-json.ts';
import type { OpenTarget, SinkSubject, StoredEvent } from './subject.ts';

const log = { debug() {}, info() {}, warn() {} };

/** A place to write to, and how what is stored there is looked at. */
export interface Target extends Pick<OpenTarget, 'config' | 'stored'> {
  /** What -0 comes back as. */
  readonly minusZero: '0' | '-0';
}

/** Opens a new target, and lets go of it after `use`. */
export async function withTarget(
  subject: SinkSubject,
  use: (target: Target) => Promise<void>,
): Promise<void> {
  const target = await subject.open();
  const minusZero = subject.hasOneZero === true ? '0' : '-0';
  try {
    await use({ config: target.config, stored: () => target.stored(), minusZero });
  } finally {
    await target.close?.();
  }
}

/** Writes with a signal that nobody aborts. */
export type Write = (...batch: RawEvent[]) => Promise<WriteResult>;

/** Opens a new target and the sink on it, in this process. */
export function withSink(
  subject: SinkSubject,
  use: (write: Write, target: Target) => Promise<void>,
): Promise<void> {
  return withTarget(subject, async (target) => {
    const { signal } = new AbortController();
    await withWriter(subject, target, (writer) =>
      use(async (...batch) => writer.write(batch, { signal }), target),
    );
  });
}

/** The rows under these events' ids. */
export async function rowsOf(target: Target, batch: readonly RawEvent[]): Promise<StoredEvent[]> {
  const ids = new Set(batch.map(({ externalId }) => externalId));
  return (await target.stored()).filter(({ externalId }) => ids.has(externalId));
}

/** Milliseconds and the microseconds beyond them: equal for every way to write an instant. Text that is none stands for itself. */
export function instantOf(text: string): string {
  const instant = parseInstant(text);
  const fraction = /\.(\d+)/.exec(instant?.text ?? '')?.[1] ?? '';
  return instant ? `${instant.ms} ${fraction.padEnd(6, '0').slice(3)}` : text;
}

/** The row of each event is there, once, and says what the event says. */
export async function expectStored(target: Target, batch: readonly RawEvent[]): Promise<void> {
  const rows = await rowsOf(target, batch);
  expectThat(rows.length === batch.length, () => `Expected ${batch.length} rows, got ${rows.length}`);
  for (const event of batch) {
    const row = rows.find(
      ({ externalId, sourceId }) => externalId === event.externalId && sourceId === event.sourceId,
    );
    expectThat(row?.sourceId === event.sourceId, () => `Expected a row of ${event.externalId}, got none`);
    expectThat(
      instantOf(row.occurredAt) === instantOf(event.occurredAt),
      () =>
        `Expected ${event.externalId} to have occurred at ${event.occurredAt}, to the microsecond and as RFC 3339, got ${row.occurredAt}`,
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

/** Opens the sink in this process, and closes it after `use`. */
export async function withWriter<Result>(
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

/** The answer has these counts and no others, and its rows add up to them; `of` is what was written. */
export function expectCounts(
  { written, unchanged, conflicts, rows }: WriteResult,
  wanted: { written?: number; unchanged?: number; conflicts?: number },
  of = 'the batch',
): void {
  const found = { written, unchanged, conflicts: conflicts.length };
  const whole = { written: 0, unchanged: 0, conflicts: 0, ...wanted };
  expectThat(
    JSON.stringify(found) === JSON.stringify(whole),
    () => `Expected ${JSON.stringify(whole)} of ${of}, got ${JSON.stringify(found)}`,
  );
  const outcomes = rows.map(({ outcome }) => outcome);
  const count = (outcome: string): number => outcomes.filter((one) => one === outcome).length;
  const adds =
    count('written') === written &&
    count('unchanged') === unchanged &&
    count('conflict') === conflicts.length;
  expectThat(adds, () => `Expected a row for each event, in the same counts, got ${outcomes.join()}`);
}
