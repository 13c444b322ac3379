import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConnectorError, type RawEvent, type WrittenRow } from '@on-the-way/sdk';
import { acceptBody, BodyRefused, isMalformed, nobody, type AcceptRules } from '../ingest/accept.ts';
import { keyTaken } from '../ingest/group-writer.ts';
import type { ServedContract, Written } from '../ingest/ports.ts';
import { notAnArray } from '../ingest/split-batch.ts';
import { isUnreachable } from '../storage/database.ts';
import { ApiError, apiErrorOf } from './api-error.ts';
import type { AppParts } from './app-parts.ts';

/** Longest body of one event, in bytes: a text of 1 MiB, with the envelope around it. */
export const bodyLimit = 1024 * 1024 + 64 * 1024;

const retryAfterSeconds = 5;
// So long a batch may keep others from being answered at a time.
const batchTurnMs = 10;

/** A refusal that needs no line in the audit: it has one, or what keeps the audit is away or too busy. */
class NotAudited extends ApiError {}

/** What failed in writing, in the words of the API. */
function writeError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const code = ConnectorError.is(error) ? error.code : undefined;
  if (code === 'transient' || isUnreachable(error)) {
    const message = 'The database is not reachable; try again shortly, the event is stored once';
    return new ApiError(503, 'DEPENDENCY_UNAVAILABLE', message, retryAfterSeconds);
  }
  if (code === 'bad_data')
    return new ApiError(422, 'INVALID_ARGUMENT', 'Expected an event that the database can hold');
  return new ApiError(500, 'RAW_WRITE_FAILED', 'The event could not be written; the log says why');
}

function logCause({ parts: { log }, requestId }: Posted, error: unknown): void {
  const cause = error instanceof Error ? error.message : String(error);
  log.error({ request_id: requestId, error: cause }, 'event could not be written');
}

/** A request, or an item of a batch, on its way through. */
export interface Posted {
  readonly parts: AppParts;
  readonly requestId: string;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  /** The same moment by the clock that nobody sets. */
  readonly startedAt: number;
  /** Name of the contract, for the metrics; `unknown` until it is known to be served. */
  readonly contract: string;
}

function observe({ parts, contract, startedAt }: Posted, code: string): void {
  parts.metrics.ingest.observe({ contract, code, seconds: (performance.now() - startedAt) / 1000 });
}

/** The answer to an event that was written. @throws ApiError 409 */
function answerTo(posted: Posted, row: WrittenRow) {
  if (row.outcome === 'conflict') {
    throw new NotAudited(409, 'DUPLICATE_IDEMPOTENCY_KEY', keyTaken);
  }
  observe(posted, 'ok');
  return {
    status: 'ok' as const,
    raw_id: row.rawId,
    ingested_at: row.ingestedAt,
    idempotent: row.outcome === 'unchanged',
  };
}

async function store(posted: Posted, event: RawEvent) {
  const { parts, receivedAt } = posted;
  const row = await parts.ingestWriter.write(event, receivedAt).catch((error: unknown) => {
    const refused = writeError(error);
    if (refused.status === 500) logCause(posted, error);
    throw refused.status === 503 ? refused : new BodyRefused(refused, event);
  });
  return answerTo(posted, row);
}

/** Counts a refused request and adds it to the audit; when that is not possible, the refusal stands without. */
export async function noteRefusal(posted: Posted, error: unknown): Promise<void> {
  const { parts, requestId, receivedAt } = posted;
  const { status, code, message } = apiErrorOf(error);
  observe(posted, code);
  // A flood, or what comes while the database is away, must not become writes.
  if (status === 503 || status === 429 || error instanceof NotAudited) return;
  const { sourceId, externalId } = error instanceof BodyRefused ? error.identity : nobody;
  await parts.ingestWriter.refuse({
    requestId,
    sourceId,
    externalId,
    receivedAt,
    status: 'error',
    errorCode: code,
    message,
  });
}

/** What the host allows now. */
function acceptRules({ config, clock }: AppParts): AcceptRules {
  return {
    now: clock.now(),
    futureToleranceMinutes: config.requestFutureToleranceMinutes,
    timeZones: config.ingest.timeZones,
  };
}

/**
 * Checks and stores the event that a body holds; the answer that says so.
 *
 * @throws ApiError 400, 409, 422, 500, 503.
 */
export function storeBody(posted: Posted, contract: ServedContract, text: string) {
  const { parts, requestId } = posted;
  return store(posted, acceptBody(contract, text, { ...acceptRules(parts), requestId }));
}

function oversize(text: string): boolean {
  // A UTF-16 unit takes three bytes at most.
  return text.length * 3 > bodyLimit && Buffer.byteLength(text) > bodyLimit;
}

/** An item of a batch, as if it had been posted by itself: the event, or why it is refused. */
export type Item =
  | { readonly event: RawEvent }
  | { readonly event: undefined; readonly requestId: string; readonly refused: unknown };

/** Checks an item of a batch. */
export function acceptItem({ parts }: Posted, contract: ServedContract, text: string): Item {
  const requestId = randomUUID();
  try {
    if (oversize(text))
      throw new ApiError(413, 'INVALID_ARGUMENT', `Expected an item of at most ${bodyLimit} bytes`);
    return { event: acceptBody(contract, text, { ...acceptRules(parts), requestId }) };
  } catch (refused) {
    return { event: undefined, requestId, refused };
  }
}

function refusedItem(requestId: string, error: unknown) {
  const { code, message } = apiErrorOf(error);
  return { status: 'error' as const, code, message, request_id: requestId };
}

type ItemAnswer = ReturnType<typeof answerTo> | ReturnType<typeof refusedItem>;

/** Notes that an item is refused, and says so. */
function refuseItem(posted: Posted, error: unknown): { answer: ItemAnswer; noted: Promise<void> } {
  return { answer: refusedItem(posted.requestId, error), noted: noteRefusal(posted, error) };
}

/** What a batch is refused with of which something could not be written, and not for what it says. */
function refusalOf(posted: Posted, causes: readonly unknown[]): ApiError | undefined {
  const faults = causes.map((cause) => ({ cause, refused: writeError(cause) }));
  // The one that says when to come back.
  const fault = faults.find(({ refused }) => refused.status === 503) ?? faults[0];
  if (!fault) return undefined;
  const { status, code, retryAfterSeconds: after } = fault.refused;
  if (status === 500) logCause(posted, fault.cause);
  const message =
    'Not all of the batch could be written. Send it again: what is stored already is found unchanged';
  return new ApiError(status, code, message, after);
}

/** Checks the items of an array, in turns. @throws ApiError 400 when one is not JSON: then the array is none. */
export async function acceptArray(
  posted: Posted,
  contract: ServedContract,
  texts: readonly string[],
): Promise<Item[]> {
  const items: Item[] = [];
  let turnEnds = performance.now() + batchTurnMs;
  for (const text of texts) {
    const item = acceptItem(posted, contract, text);
    if (!item.event && isMalformed(item.refused)) throw notAnArray();
    items.push(item);
    if (performance.now() < turnEnds) continue;
    await nextTurn();
    turnEnds = performance.now() + batchTurnMs;
  }
  return items;
}

/** Answers for each of a batch, and collects what is still to be waited for, and what could not be written. */
class BatchAnswers {
  readonly noted: Promise<void>[] = [];
  readonly faults: unknown[] = [];
  readonly #posted: Posted;

  constructor(posted: Posted) {
    this.#posted = posted;
  }

  refused(requestId: string, error: unknown): ItemAnswer {
    const { answer, noted } = refuseItem({ ...this.#posted, requestId }, error);
    this.noted.push(noted);
    return answer;
  }

  written(event: RawEvent, written: Written): ItemAnswer {
    try {
      if ('error' in written) throw written.error;
      return answerTo(this.#posted, written);
    } catch (error) {
      const said = writeError(error);
      if (said.status >= 500) this.faults.push(error);
      else
        return this.refused(
          event.requestId,
          said instanceof NotAudited ? said : new BodyRefused(said, event),
        );
      return refusedItem(event.requestId, said);
    }
  }
}

/**
 * Refuses a batch as a whole for its first item that is refused.
 *
 * @throws ApiError 422 with the item's code; its message begins with `items[<index>]: `.
 */
export function expectAll(items: readonly Item[]): void {
  for (const [at, item] of items.entries()) {
    if (item.event) continue;
    const { code, message } = apiErrorOf(item.refused);
    throw new ApiError(422, code, `items[${at}]: ${message}`);
  }
}

/**
 * Hands all items to the writer at once, when the last of them has been checked; an answer an item.
 *
 * @throws ApiError 500 or 503 when an item could not be written for no fault of its own.
 */
export async function answerItems(posted: Posted, items: readonly Item[]): Promise<ItemAnswer[]> {
  const { parts, receivedAt } = posted;
  const events = items.flatMap(({ event }) => event ?? []);
  const writing = events.length > 0 ? parts.ingestWriter.writeAll(events, receivedAt) : [];
  const answers = new BatchAnswers(posted);
  // Beside the others, not after them.
  const refused = items.map((item) =>
    item.event ? undefined : answers.refused(item.requestId, item.refused),
  );
  const written = await writing;
  let next = 0;
  const all = items.map(({ event }, at) => refused[at] ?? answers.written(event!, written[next++]!));
  await Promise.all(answers.noted);
  const fault = refusalOf(posted, answers.faults);
  if (fault) throw fault;
  return all;
}
