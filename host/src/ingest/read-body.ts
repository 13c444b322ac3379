import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { ApiError } from '../http/api-error.ts';
import { placeAtWork } from '../http/overload.ts';
import { askForBody } from '../http/sound.ts';
import { turn } from '../http/turns.ts';

/** For a client that went away before its body was whole: the audit alone will hear of it. */
function cutShort(): ApiError {
  return new ApiError(400, 'INVALID_ARGUMENT', 'Expected a whole body, but the connection ended before');
}

/** What a body may be. */
export interface BodyRules {
  /** Media types that are taken, lower case. */
  readonly mediaTypes: readonly string[];
  /** Longest body in bytes, after inflation. */
  readonly limit: number;
  /** So long it may be that the reader lets it wait, in all; past that it is refused with 503. Default 10_000. */
  readonly pausedMs?: number;
}

/** Makes something of a body as its bytes come. */
export interface BodyReader<T> {
  /** Called with each part, in order; the next one comes when what it returns has resolved. Refuses by throwing. */
  take(part: Buffer): Promise<void> | undefined;
  /** Called when the body is whole, with the number of its bytes. Refuses by throwing. */
  end(bytes: number): Promise<T> | T;
}

const longBody = 32 * 1024;
// Well below the 30 s a whole request may take: its sender is to hear why it was kept waiting.
const mostPausedMs = 10_000;
const identity = 'identity';
const parameters = /^\s*(?:;\s*charset\s*=\s*(?:utf-?8|"utf-?8")\s*)?;?\s*$/i;

/** @throws ApiError 415 */
function mediaTypeOf(request: IncomingMessage, { mediaTypes }: BodyRules): string {
  const header = request.headers['content-type'] ?? '';
  const end = header.indexOf(';');
  const mediaType = (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
  if (mediaTypes.includes(mediaType) && (end < 0 || parameters.test(header.slice(end)))) return mediaType;
  const expected = mediaTypes.join(' or ');
  throw new ApiError(415, 'INVALID_ARGUMENT', `Expected a body with Content-Type ${expected}, in UTF-8`);
}

function tooLong(limit: number): ApiError {
  return new ApiError(413, 'INVALID_ARGUMENT', `Expected a body of at most ${limit} bytes`);
}

function tooSlow(): ApiError {
  return new ApiError(408, 'INVALID_ARGUMENT', 'Expected the whole body sooner');
}

function keptWaiting(): ApiError {
  return new ApiError(503, 'OVERLOADED', 'Too much is asked of this host at once; try again shortly', 1);
}

/** Bounds how long a body is not read, in all: `giveUp` is called once that is over. */
function createPauses(mostMs: number, giveUp: () => void): { begin: () => void; end: () => void } {
  let leftMs = mostMs;
  let timer: NodeJS.Timeout | undefined;
  let since = 0;
  return {
    begin() {
      since = performance.now();
      timer = setTimeout(giveUp, leftMs);
    },
    end() {
      if (!timer) return;
      clearTimeout(timer);
      timer = undefined;
      leftMs = Math.max(0, leftMs - (performance.now() - since));
    },
  };
}

const inflaters: Readonly<Record<string, (() => Transform) | undefined>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};
const encodings = 'Expected a body with Content-Encoding gzip, deflate or br, or with none';

/**
 * What the bytes of a body go through first; undefined when they come as they are.
 *
 * @throws ApiError 415
 */
function inflaterOf({ headers }: IncomingMessage): Transform | undefined {
  const encoding = (headers['content-encoding'] ?? identity).trim().toLowerCase();
  if (encoding === identity) return undefined;
  const create = Object.hasOwn(inflaters, encoding) ? inflaters[encoding] : undefined;
  if (!create) throw new ApiError(415, 'INVALID_ARGUMENT', encodings);
  return create();
}

/**
 * Reads the bytes, and resolves with how many there were. `take` is given each part, and refuses it by throwing. What is
 * left of a refused body is read and thrown away, so that its sender gets to the answer.
 */
function readBytes(
  request: IncomingMessage,
  { limit, pausedMs = mostPausedMs }: BodyRules,
  take: (part: Buffer) => Promise<void> | undefined,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const inflater = inflaterOf(request);
  askForBody(request);
  const source = inflater ? request.pipe(inflater) : request;
  let size = 0;
  const coming = placeAtWork(request)?.awaitBody(() => fail(tooSlow()));
  const pauses = createPauses(pausedMs, () => fail(keptWaiting()));
  let isOver = false;
  const fail = (error: unknown): void => {
    isOver = true;
    pauses.end();
    coming?.ended();
    reject(error);
    source.off('data', keep);
    if (inflater) request.unpipe(inflater);
    inflater?.destroy();
    request.resume();
  };
  const goOn = (): void => {
    if (isOver) return;
    pauses.end();
    coming?.resumed();
    source.resume();
  };
  const keep = (part: Buffer): void => {
    size += part.length;
    coming?.came(part.length);
    try {
      if (size > limit) throw tooLong(limit);
      const wait = take(part);
      if (!wait) return;
      coming?.paused();
      pauses.begin();
      source.pause();
      wait.then(goOn, fail);
    } catch (error) {
      fail(error);
    }
  };
  source.on('data', keep);
  source.once('end', () => {
    coming?.ended();
    resolve(size);
  });
  inflater?.on('error', () =>
    fail(new ApiError(400, 'INVALID_ARGUMENT', `${encodings}, found one that is not whole`)),
  );
  // An error of the request itself is that of its connection.
  request.once('error', () => fail(cutShort()));
  request.once('close', () => request.complete || fail(cutShort()));
  return promise;
}

/** The text of a body, or of the lines that a part of it holds. @throws ApiError 400 */
export function decodeBody(bytes: Buffer, isBeginning: boolean): string {
  if (!isUtf8(bytes)) throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected a body in UTF-8');
  const text = bytes.toString('utf8');
  if (isBeginning && text.startsWith('\uFEFF'))
    throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected a body without a byte order mark');
  return text;
}

/** How many bytes a request declares: undefined when it does not say, or says it of compressed ones. */
function declaredLength({ headers }: IncomingMessage): number | undefined {
  const { 'content-length': length, 'content-encoding': encoding = identity } = headers;
  return length !== undefined && encoding === identity ? Number(length) : undefined;
}

/** Whether a request brings a body at all, be it an empty one. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** What is expected of a body, and what is made of it. */
export interface BodyPlan<T> extends BodyRules {
  /** By its media type, one of those that are taken. */
  readonly readerOf: (mediaType: string) => BodyReader<T>;
}

/**
 * Reads a body: media type, then length, then bytes. What is wrong is refused as soon as it is known, so that a body
 * that is declared too long is not read.
 *
 * @throws ApiError 415, 413, 408, 400 (also when the client is gone), 503 when `held` has no room or its reader was
 *   not ready for long, and what the reader throws.
 */
export async function readBody<T>(request: IncomingMessage, plan: BodyPlan<T>, held?: HeldBytes): Promise<T> {
  const reader = plan.readerOf(mediaTypeOf(request, plan));
  const declared = declaredLength(request) ?? 0;
  if (declared > plan.limit) throw tooLong(plan.limit);
  held?.expect(declared);
  const bytes = await readBytes(request, plan, (part) => {
    held?.take(part.length);
    return reader.take(part);
  });
  if (bytes === 0) throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected a body, found an empty one');
  return reader.end(bytes);
}

/** Keeps a body until it is whole, and makes a text of it. @throws ApiError 400 */
export function textReader(): BodyReader<string> {
  const parts: Buffer[] = [];
  return {
    take: (part) => void parts.push(part),
    async end(bytes) {
      // What is done with a long one takes so long that others must be answered in between.
      if (bytes > longBody) await turn();
      return decodeBody(parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes), true);
    },
  };
}

/** Reads a body as one text. @throws ApiError as {@link readBody} does. */
export function readTextBody(request: IncomingMessage, rules: BodyRules, held?: HeldBytes): Promise<string> {
  return readBody(request, { ...rules, readerOf: textReader }, held);
}

/** The memory that one request holds of what all may hold. */
export interface HeldBytes {
  /** @throws ApiError 503 when there is no room for so many bytes that are yet to come. */
  expect(bytes: number): void;
  /** @throws ApiError 503 when there is no room for these. */
  take(bytes: number): void;
}

/** How much memory the bodies of all requests may take together. */
export interface BodyBudget {
  /** Calls `use` with what it may hold, and gives that back when it has settled. */
  hold<T>(use: (held: HeldBytes) => Promise<T>): Promise<T>;
}

/**
 * Makes a budget of so many bytes. Only bytes that have come are counted: a slow sender of a long body takes no room
 * from others by saying how long it is going to be.
 */
export function createBodyBudget(budget: number): BodyBudget {
  let total = 0;
  const expect = (bytes: number): void => {
    if (total + bytes > budget)
      throw new ApiError(503, 'OVERLOADED', 'Too much is being sent at once; try again shortly', 1);
  };
  return {
    async hold(use) {
      let own = 0;
      const take = (bytes: number): void => {
        expect(bytes);
        total += bytes;
        own += bytes;
      };
      try {
        return await use({ expect, take });
      } finally {
        total -= own;
      }
    },
  };
}
