import { ConnectorError, type RawEvent, type WrittenRow } from '@on-the-way/sdk';
import { z } from 'zod';

const stored = z.object({
  status: z.literal('ok'),
  raw_id: z.string(),
  ingested_at: z.string(),
  idempotent: z.boolean(),
});
const refused = z.object({ code: z.string(), message: z.string() });
const verdicts = z.object({ items: z.array(z.unknown()) });

/** What the ingest API says about one event, apart from the HTTP status it came with. */
export interface Verdict {
  readonly body: unknown;
  /** Of the answer, or what the answer would have had, were the event posted by itself. */
  readonly status: number;
  readonly retryAfterMs?: number | undefined;
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

/** The other host's refusal in the words that say whether trying again helps; `what` was to be taken. */
function refusal({ body, status, retryAfterMs }: Verdict, what: string): ConnectorError {
  const answer = refused.safeParse(body);
  const why = answer.success ? `${answer.data.code}: ${answer.data.message}` : `HTTP ${status}`;
  const message = `Expected the other host to take ${what}, but: ${why}`;
  if (status === 429 || status >= 500) {
    return new ConnectorError('transient', message, {
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  const code = [401, 403, 404, 421].includes(status) ? 'config' : 'bad_data';
  return new ConnectorError(code, message, { status });
}

// How the message begins when a batch is refused for one of its events.
const itemRefused = /^items\[(\d+)\]: /;

/** The other host's refusal of a batch; names the event where it is about one. */
export function batchRefusal(verdict: Verdict, events: readonly RawEvent[]): ConnectorError {
  const answer = refused.safeParse(verdict.body);
  const [, at] = itemRefused.exec(answer.data?.message ?? '') ?? [];
  const event = at === undefined ? undefined : events[Number(at)];
  return refusal(verdict, event ? event.externalId : `${events.length} events`);
}

const notTheApi = 'Expected the ingest API to answer with raw_id and idempotent; check the address';

/**
 * What became of one event.
 *
 * @throws ConnectorError for an event that is not stored, unless its key is taken.
 */
export function rowOf(verdict: Verdict, event: RawEvent): WrittenRow {
  if (verdict.status === 409) return { outcome: 'conflict', rawId: '', ingestedAt: '' };
  if (verdict.status !== 200) throw refusal(verdict, event.externalId);
  const answer = stored.safeParse(verdict.body);
  if (!answer.success) throw new ConnectorError('bad_data', notTheApi);
  const { raw_id: rawId, ingested_at: ingestedAt, idempotent } = answer.data;
  return { outcome: idempotent ? 'unchanged' : 'written', rawId, ingestedAt };
}

/** The verdicts in the answer to a batch, one an event and in its order. */
export function verdictsOf({ body, retryAfterMs }: Verdict, count: number): Verdict[] {
  const answer = verdicts.safeParse(body);
  if (!answer.success || answer.data.items.length !== count) {
    throw new ConnectorError('bad_data', `${notTheApi}: one answer was expected for each event of a batch`);
  }
  return answer.data.items.map((item) => {
    const problem = refused.safeParse(item);
    return {
      body: item,
      status: problem.success ? (statusOfCode[problem.data.code] ?? 422) : 200,
      retryAfterMs,
    };
  });
}
