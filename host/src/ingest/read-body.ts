import { isUtf8 } from 'node:buffer';
import express, { type Request, type RequestHandler } from 'express';
import { ApiError } from '../http/api-error.ts';

/** A client that went away before its body was whole: nobody is left to be answered. */
export class BodyCutShort extends ApiError {
  constructor() {
    super(400, 'INVALID_ARGUMENT', 'Expected a whole body, but the connection ended before');
  }
}

/** What a body may be. */
export interface BodyRules {
  /** Media types that are taken, lower case. */
  readonly mediaTypes: readonly string[];
  /** Longest body in bytes, after inflation. */
  readonly limit: number;
}

/** A body as text, well-formed, with what its sender called it. */
export interface TextBody {
  readonly text: string;
  /** One of the media types that are taken. */
  readonly mediaType: string;
}

const parameters = /^\s*(?:;\s*charset\s*=\s*(?:utf-8|"utf-8")\s*)?;?\s*$/i;

/** @throws ApiError 415 */
function mediaTypeOf(request: Request, { mediaTypes }: BodyRules): string {
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

/** What express says of a body it could not read, in our words: its own tell of libraries. */
function translated(error: unknown, limit: number): unknown {
  if (!(error instanceof Error) || !('status' in error)) return error;
  if ('type' in error && error.type === 'request.aborted') return new BodyCutShort();
  if (error.status === 413) return tooLong(limit);
  const expected = 'Expected a body with Content-Encoding gzip, deflate or br, or with none';
  if (error.status === 415) return new ApiError(415, 'INVALID_ARGUMENT', expected);
  return new ApiError(400, 'INVALID_ARGUMENT', `${expected}, found one that is not whole`);
}

const readers = new Map<number, RequestHandler>();

/** Reads the bytes; an empty buffer when there are none. */
function readBytes(request: Request, limit: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const read = readers.get(limit) ?? express.raw({ type: () => true, limit });
  readers.set(limit, read);
  // It does not look at the answer; it is there since middleware has one.
  read(request, request.res!, (error: unknown) => {
    if (error !== undefined) reject(translated(error, limit));
    else resolve(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));
  });
  return promise;
}

/** @throws ApiError 400 */
function decode(bytes: Buffer): string {
  if (bytes.length === 0) throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected a body, found an empty one');
  if (!isUtf8(bytes)) throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected a body in UTF-8');
  const text = bytes.toString('utf8');
  if (text.startsWith('\uFEFF'))
    throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected a body without a byte order mark');
  return text;
}

/** How many bytes a request declares: undefined when it does not say, or says it of compressed ones. */
function declaredLength(request: Request): number | undefined {
  const { 'content-length': length, 'content-encoding': encoding = 'identity' } = request.headers;
  return length !== undefined && encoding.toLowerCase() === 'identity' ? Number(length) : undefined;
}

/** Whether a request brings a body at all, be it an empty one. */
export function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * Reads a body as text: media type, then length, then bytes, then UTF-8. What is wrong is refused as soon as it is
 * known, so that a body that is declared too long is not read.
 *
 * @throws ApiError 415, 413, 400; BodyCutShort when the client is gone.
 */
export async function readTextBody(request: Request, rules: BodyRules): Promise<TextBody> {
  const mediaType = mediaTypeOf(request, rules);
  if ((declaredLength(request) ?? 0) > rules.limit) throw tooLong(rules.limit);
  return { mediaType, text: decode(await readBytes(request, rules.limit)) };
}

/** How much memory the bodies of all requests may take together. */
export interface BodyBudget {
  /**
   * Calls `use` when there is room for the request's body, and gives the room back when it has settled.
   *
   * @throws ApiError 503 when there is none; nothing was read then.
   */
  hold<T>(request: Request, limit: number, use: () => Promise<T>): Promise<T>;
}

/** Makes a budget of so many bytes. */
export function createBodyBudget(bytes: number): BodyBudget {
  let held = 0;
  return {
    async hold(request, limit, use) {
      // A request that does not say how long its body is may send as much as is allowed.
      const wanted = Math.min(declaredLength(request) ?? limit, limit);
      if (held + wanted > bytes)
        throw new ApiError(503, 'OVERLOADED', 'Too much is being sent at once; try again shortly', 1);
      held += wanted;
      try {
        return await use();
      } finally {
        held -= wanted;
      }
    },
  };
}
