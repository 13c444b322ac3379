import type { Request, RequestHandler, Response } from 'express';
import { ApiError } from './api-error.ts';

function hostHeaders({ rawHeaders }: Request): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') count += 1;
  return count;
}

/** Refuses what RFC 9110 and RFC 9112 want refused and Node lets through. Must come before the routes. */
export const expectSound: RequestHandler = (request, _response, next) => {
  if (hostHeaders(request) > 1) throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected one Host header');
  const { expect } = request.headers;
  // Of HTTP/1.0 it is to be ignored.
  if (expect !== undefined && request.httpVersionMinor > 0 && expect.toLowerCase() !== '100-continue')
    throw new ApiError(417, 'INVALID_ARGUMENT', 'Expected no Expect header but Expect: 100-continue');
  next();
};

/** Whom a request is addressed to: what its target says where that is a whole address, else its Host header. */
export function authorityOf({ originalUrl, headers }: Request): string | undefined {
  return /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(originalUrl)?.[1] ?? headers.host;
}

/** Tells a sender that waits for it that its body is wanted: not before all is sound that was sent so far. */
export function askForBody({ headers, httpVersionMinor, res }: Request): void {
  if (headers.expect !== undefined && httpVersionMinor > 0) res?.writeContinue();
}

/**
 * Calls `leave` when nobody waits for the answer any more, for work that takes long. A client that has shut its side of
 * the connection counts as gone here, since one that was closed looks the same; other requests of it are answered.
 */
export function whenLeft({ socket }: Request, response: Response, leave: () => void): void {
  socket.once('end', leave);
  response.once('close', () => {
    socket.off('end', leave);
    leave();
  });
}
