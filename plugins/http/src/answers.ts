import { ConnectorError, type RawEvent, type WrittenRow } from '@on-the-way/sdk';
import { z } from 'zod';
import { answerOfAnother } from './other-answers.ts';
import type { Verdict } from './verdict.ts';

const stored = z.object({
  status: z.literal('ok'),
  raw_id: z.string(),
  ingested_at: z.string(),
  idempotent: z.boolean(),
});
const refused = z.object({ status: z.literal('error'), code: z.string(), message: z.string() });
const verdicts = z.object({ status: z.literal('ok'), items: z.array(z.unknown()) });

/** What codes in a batch's answer stand for; the others say that the event itself is not taken. */
const statusOfCode: Readonly<Record<string, number>> = {
  DUPLICATE_IDEMPOTENCY_KEY: 409,
  RAW_WRITE_FAILED: 500,
  INTERNAL_ERROR: 500,
  DEPENDENCY_UNAVAILABLE: 503,
  OVERLOADED: 503,
  RATE_LIMITED: 429,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
};

// 400: what was sent is JSON, and not all of it came so; 408: it came too slowly.
const maySucceedLater = (status: number): boolean => [400, 408, 429].includes(status) || status >= 500;
// 415, 417: its headers are not those that were sent.
const needsSettings = (status: number): boolean => [401, 403, 404, 405, 415, 417, 421].includes(status);

/**
 * The refusal in the words that say whether trying again helps; `what` was to be taken. Only the other host itself can say
 * that an event is not taken for what it holds: what stands between has not looked at it.
 */
function refusal(verdict: Verdict, what: string): ConnectorError {
  const { body, status, retryAfterMs } = verdict;
  const answer = refused.safeParse(body);
  if (!answer.success) return answerOfAnother(verdict, what);
  const message = `Expected the other host to take ${what}, but: ${answer.data.code}: ${answer.data.message}`;
  if (maySucceedLater(status)) {
    return new ConnectorError('transient', message, {
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  return new ConnectorError(needsSettings(status) ? 'config' : 'bad_data', message, { status });
}

// How the message begins when a batch is refused for one of its events.
const itemRefused = /^items\[(\d+)\]: /;

/** The refusal of a batch; names the event where it is about one. */
function batchRefusal(verdict: Verdict, events: readonly RawEvent[]): ConnectorError {
  const answer = refused.safeParse(verdict.body);
  const [, at] = itemRefused.exec(answer.data?.message ?? '') ?? [];
  const event = at === undefined ? undefined : events[Number(at)];
  return refusal(verdict, event ? event.externalId : `${events.length} events`);
}

/**
 * What became of one event.
 *
 * @throws ConnectorError for an event that is not stored, unless its key is taken.
 */
export function rowOf(verdict: Verdict, event: RawEvent): WrittenRow {
  const taken = refused.safeParse(verdict.body).data?.code === 'DUPLICATE_IDEMPOTENCY_KEY';
  if (verdict.status === 409 && taken) return { outcome: 'conflict', rawId: '', ingestedAt: '' };
  const answer = stored.safeParse(verdict.body);
  if (!isSuccess(verdict) || !answer.success) throw refusal(verdict, event.externalId);
  const { raw_id: rawId, ingested_at: ingestedAt, idempotent } = answer.data;
  return { outcome: idempotent ? 'unchanged' : 'written', rawId, ingestedAt };
}

/** Whether the status alone says that all went well. */
function isSuccess({ status }: Verdict): boolean {
  return status >= 200 && status < 300;
}

/**
 * The verdicts in the answer to a batch, one an event and in its order.
 *
 * @throws ConnectorError for a batch that is refused as a whole, or of which not all is answered.
 */
export function verdictsOf(verdict: Verdict, events: readonly RawEvent[]): Verdict[] {
  const answer = verdicts.safeParse(verdict.body);
  if (!isSuccess(verdict) || !answer.success || answer.data.items.length !== events.length)
    throw batchRefusal(verdict, events);
  return answer.data.items.map((body) => {
    const problem = refused.safeParse(body);
    return { ...verdict, body, status: problem.success ? (statusOfCode[problem.data.code] ?? 422) : 200 };
  });
}
