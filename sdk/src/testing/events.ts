import { hash, randomUUID } from 'node:crypto';
import type { RawEvent } from '../sink.ts';
import { addDays } from '../windows.ts';
import { canonical } from './records.ts';
import type { SinkSubject } from './subject.ts';

/** Makes an event a sink can be given: `data` is JSON text of a value. Its day goes with the number. */
export function eventOf(
  { sourceId = 'suite', payload }: Pick<SinkSubject, 'sourceId' | 'payload'>,
  { id, data, number = 0 }: { readonly id: string; readonly data: string; readonly number?: number },
): RawEvent {
  const day = addDays('2026-02-26', number % 3);
  const text = payload ? payload(data, day) : `{"data":${data}}`;
  return {
    sourceId,
    externalId: id,
    occurredAt: `${day}T00:00:00+08:00`,
    payload: text,
    payloadHash: hash('sha256', hashed(text), 'hex'),
    requestId: randomUUID(),
  };
}

/** What is hashed: equal for texts that say the same. Texts that are no JSON for this machine stand for themselves. */
function hashed(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    // A number that a double does not hold would be the same as its neighbour.
    return JSON.stringify(parsed) === text ? canonical(parsed) : text;
  } catch {
    return text;
  }
}

/** So many ordinary events with ids of their own, over three days. */
export function sampleEvents(
  subject: Pick<SinkSubject, 'sourceId' | 'payload'>,
  count: number,
  prefix = 'suite',
): RawEvent[] {
  return Array.from({ length: count }, (_, number) =>
    eventOf(subject, { id: `${prefix}::${number}`, data: `{"number":${number},"text":"sample"}`, number }),
  );
}
