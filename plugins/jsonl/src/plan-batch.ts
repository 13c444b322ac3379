import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RawEvent, WriteResult, WrittenRow } from '@on-the-way/sdk';
import { dayFileOf } from './day-file.ts';
import { keyText } from './key-index.ts';
import type { KnownLines } from './known-lines.ts';
import { lineOf, type Stamp } from './line.ts';
import { isSameEvent, type Standing } from './same-event.ts';

/** A line that is to be added. */
export interface NewLine {
  readonly event: RawEvent;
  readonly text: string;
}

/** What a batch comes to. */
export interface Plan {
  readonly result: WriteResult;
  /** The new lines, by the path of their file. */
  readonly lines: ReadonlyMap<string, readonly NewLine[]>;
}

// About a millisecond or two of looking up, after which others have a turn.
const eventsAtATime = 100;

/** What stands under a key, on disk or earlier in the batch. */
interface Known extends Standing {
  readonly stamp: Stamp;
}

function knownIn(lines: KnownLines, event: RawEvent): Known | undefined {
  const line = lines.find(event);
  if (!line) return undefined;
  const {
    occurred_at: occurredAt,
    payload_hash: payloadHash,
    raw_id: rawId,
    ingested_at: ingestedAt,
  } = line.head;
  return { occurredAt, payloadHash, payload: line.payload, stamp: { rawId, ingestedAt } };
}

function resultOf(batch: readonly RawEvent[], rows: readonly WrittenRow[]): WriteResult {
  const count = (outcome: WrittenRow['outcome']): number =>
    rows.filter((row) => row.outcome === outcome).length;
  return {
    written: count('written'),
    unchanged: count('unchanged'),
    conflicts: batch.filter((_, index) => rows[index]?.outcome === 'conflict'),
    rows,
  };
}

/** Finds out what is new in a batch; of one key the first is. */
export async function planBatch(
  batch: readonly RawEvent[],
  lines: KnownLines,
  signal: AbortSignal,
): Promise<Plan> {
  const ingestedAt = new Date().toISOString();
  const rows: WrittenRow[] = [];
  const added = new Map<string, Known>();
  const newLines = new Map<string, NewLine[]>();
  for (const [at, event] of batch.entries()) {
    if (at % eventsAtATime === eventsAtATime - 1) await nextTurn();
    signal.throwIfAborted();
    const key = keyText(event);
    const known = added.get(key) ?? knownIn(lines, event);
    if (known) {
      rows.push({ outcome: isSameEvent(event, known) ? 'unchanged' : 'conflict', ...known.stamp });
      continue;
    }
    const stamp = { rawId: randomUUID(), ingestedAt };
    const { occurredAt, payloadHash, payload } = event;
    added.set(key, { occurredAt, payloadHash, payload: () => payload, stamp });
    rows.push({ outcome: 'written', ...stamp });
    const path = dayFileOf(event);
    const ofFile = newLines.get(path) ?? [];
    ofFile.push({ event, text: lineOf(event, stamp) });
    newLines.set(path, ofFile);
  }
  return { result: resultOf(batch, rows), lines: newLines };
}
