import { ConnectorError, type RawEvent, type WrittenRow } from '@on-the-way/sdk';
import { z } from 'zod';
import { answerOfAnother } from './other-answers.ts';

const stored = z.object({
  status: z.literal('ok'),
  raw_id: z.string(),
  ingested_at: z.string(),
  idempotent: z.boolean(),
});
const refused = z.object({ status: z.literal('error'), code: z.string(), message: z.string() });
const verdicts = z.object({ status: z.literal('ok'), items: z.array(z.unknown()) });

/** What was answered about one event, or about a batch. */
export interface Verdict {
  readonly body: unknown;
  /** Of the answer, or what the answer would have had, were the event posted by itself. */
  readonly status: number;
  /** The address it came from, without a query. */
  readonly from: string;
  readonly retryAfterMs?: number | undefined;
  /** Where it says to ask instead, without a query. */
  readonly location?: string | undefined;
}

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

const maySucceedLater = (status: number): boolean => status === 408 || status === 429 || status >= 500;

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
  const code = [401, 403, 404, 405, 421].includes(status) ? 'config' : 'bad_data';
  return new ConnectorError(code, message, { status });
}

// How the message begins when a batch is refused for one of its events.
const itemRefused = /^items\[(\d+)\]: /;

/** The refusal of a batch; names the event where it is about one. */
export function batchRefusal(verdict: Verdict, events: readonly RawEvent[]): ConnectorError {
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
