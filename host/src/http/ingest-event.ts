import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConnectorError, type RawEvent } from '@on-the-way/sdk';
import { acceptBody, BodyRefused, isMalformed, nobody, type AcceptRules } from '../ingest/accept.ts';
import { keyTaken } from '../ingest/group-writer.ts';
import type { ServedContract } from '../ingest/ports.ts';
import { BodyCutShort } from '../ingest/read-body.ts';
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

/** What failed in writing, in the words of the API; the cause goes to the log. */
function writeError({ log }: AppParts, error: unknown, requestId: string): ApiError {
  if (error instanceof ApiError) return error;
  const code = ConnectorError.is(error) ? error.code : undefined;
  if (code === 'transient' || isUnreachable(error)) {
    const message = 'The database is not reachable; try again shortly, the event is stored once';
    return new ApiError(503, 'DEPENDENCY_UNAVAILABLE', message, retryAfterSeconds);
  }
  if (code === 'bad_data')
    return new ApiError(422, 'INVALID_ARGUMENT', 'Expected an event that the database can hold');
  const cause = error instanceof Error ? error.message : String(error);
  log.error({ request_id: requestId, error: cause }, 'event could not be written');
  return new ApiError(500, 'RAW_WRITE_FAILED', 'The event could not be written; the log says why');
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

async function store(posted: Posted, event: RawEvent) {
  const { parts, requestId, receivedAt } = posted;
  const { sourceId, externalId } = event;
  const row = await parts.ingestWriter.write(event, receivedAt).catch((error: unknown) => {
    const refused = writeError(parts, error, requestId);
    throw refused.status === 503 ? refused : new BodyRefused(refused, { sourceId, externalId });
  });
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

/** Counts a refused request and adds it to the audit; when that is not possible, the refusal stands without. */
export async function noteRefusal(posted: Posted, error: unknown): Promise<void> {
  const { parts, requestId, receivedAt } = posted;
  const { status, code, message } = apiErrorOf(error);
  observe(posted, code);
  if (status === 503 || error instanceof NotAudited || error instanceof BodyCutShort) return;
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

async function answerItem({ posted, event, refused }: Item) {
  try {
    if (!event) throw refused;
    return await store(posted, event);
  } catch (error) {
    await noteRefusal(posted, error);
    const { code, message } = apiErrorOf(error);
    return { status: 'error' as const, code, message, request_id: posted.requestId };
  }
}

/** Checks all items before the first is handed to the writer, so that they are written together. */
export async function answerItems(batchPosted: Posted, contract: ServedContract, batch: Batch) {
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
  return Promise.all(items.map(answerItem));
}
