import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConnectorError, type RawEvent, type WrittenRow } from '@on-the-way/sdk';
import { acceptBody, BodyRefused, isMalformed, nobody, type AcceptRules } from '../ingest/accept.ts';
import { keyTaken } from '../ingest/group-writer.ts';
import type { ServedContract } from '../ingest/ports.ts';
import { notAnArray, type Batch } from '../ingest/split-batch.ts';
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
interface Item {
  readonly posted: Posted;
  readonly event: RawEvent | undefined;
  readonly refused: unknown;
}

function acceptItem(posted: Posted, contract: ServedContract, text: string): Item {
  const { parts, requestId } = posted;
  try {
    if (oversize(text))
      throw new ApiError(413, 'INVALID_ARGUMENT', `Expected an item of at most ${bodyLimit} bytes`);
    const event = acceptBody(contract, text, { ...acceptRules(parts), requestId });
    return { posted, event, refused: undefined };
  } catch (error) {
    return { posted, event: undefined, refused: error };
  }
}

/** Why an item could not be written, where that is not for what it says: of this its batch is refused. */
interface Fault {
  readonly refused: ApiError;
  readonly cause: unknown;
}

function refusedItem({ requestId }: Posted, error: unknown) {
  const { code, message } = apiErrorOf(error);
  return { status: 'error' as const, code, message, request_id: requestId };
}

type ItemAnswer = ReturnType<typeof answerTo> | ReturnType<typeof refusedItem>;

async function answerItem(
  { posted, event, refused }: Item,
  writing: Promise<WrittenRow> | undefined,
): Promise<ItemAnswer | Fault> {
  const refuse = async (error: unknown): Promise<ItemAnswer> => {
    await noteRefusal(posted, error);
    return refusedItem(posted, error);
  };
  if (!event || !writing) return refuse(refused);
  try {
    return answerTo(posted, await writing);
  } catch (error) {
    const said = error instanceof ApiError ? error : writeError(error);
    if (said.status >= 500) return { refused: said, cause: error };
    return refuse(said instanceof NotAudited ? said : new BodyRefused(said, event));
  }
}

function isFault(answer: ItemAnswer | Fault): answer is Fault {
  return 'refused' in answer;
}

/** The refusal of a batch of which something could not be written; undefined where all has its answer. */
function refusalOf(posted: Posted, answers: readonly (ItemAnswer | Fault)[]): ApiError | undefined {
  const faults = answers.filter(isFault);
  // The one that says when to come back.
  const fault = faults.find(({ refused }) => refused.status === 503) ?? faults[0];
  if (!fault) return undefined;
  const { status, code, retryAfterSeconds: after } = fault.refused;
  if (status === 500) logCause(posted, fault.cause);
  const message =
    'Not all of the batch could be written. Send it again: what is stored already is found unchanged';
  return new ApiError(status, code, message, after);
}

/** Checks the items, in turns. @throws ApiError 400 for an array that is not JSON. */
async function acceptItems(batchPosted: Posted, contract: ServedContract, batch: Batch): Promise<Item[]> {
  const items: Item[] = [];
  let turnEnds = performance.now() + batchTurnMs;
  for (const text of batch.items) {
    const item = acceptItem({ ...batchPosted, requestId: randomUUID() }, contract, text);
    if (batch.isArray && isMalformed(item.refused)) throw notAnArray();
    items.push(item);
    if (performance.now() < turnEnds) continue;
    await nextTurn();
    turnEnds = performance.now() + batchTurnMs;
  }
  return items;
}

/**
 * Checks all items before the first is handed to the writer, so that they are written together; an answer an item.
 *
 * @throws ApiError 400, and 500 or 503 when an item could not be written for no fault of its own.
 */
export async function answerItems(
  batchPosted: Posted,
  contract: ServedContract,
  batch: Batch,
): Promise<ItemAnswer[]> {
  const items = await acceptItems(batchPosted, contract, batch);
  const { parts, receivedAt } = batchPosted;
  const events = items.flatMap(({ event }) => event ?? []);
  const writing = events.length > 0 ? parts.ingestWriter.writeAll(events, receivedAt) : [];
  let next = 0;
  const answers = await Promise.all(items.map((item) => answerItem(item, item.event && writing[next++])));
  const refused = refusalOf(batchPosted, answers);
  if (refused) throw refused;
  return answers.filter((answer): answer is ItemAnswer => !isFault(answer));
}
