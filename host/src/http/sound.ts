import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './api-error.ts';
import { answerTo } from './exchange.ts';

function hostHeaders({ rawHeaders }: IncomingMessage): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') count += 1;
  return count;
}

/** Refuses what RFC 9110 and RFC 9112 want refused and Node lets through. @throws ApiError 400, 417 */
export function expectSound(request: IncomingMessage): void {
  if (hostHeaders(request) > 1) throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected one Host header');
  const { expect } = request.headers;
  // Of HTTP/1.0 it is to be ignored.
  if (expect !== undefined && request.httpVersionMinor > 0 && expect.toLowerCase() !== '100-continue')
    throw new ApiError(417, 'INVALID_ARGUMENT', 'Expected no Expect header but Expect: 100-continue');
}

/** Whom a request is addressed to: what its target says where that is a whole address, else its Host header. */
export function authorityOf({ url = '', headers }: IncomingMessage): string | undefined {
  const said = url.startsWith('/') ? undefined : /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
  return said ?? headers.host;
}

/** Tells a sender that waits for it that its body is wanted: not before all is sound that was sent so far. */
export function askForBody(request: IncomingMessage): void {
  if (request.headers.expect !== undefined && request.httpVersionMinor > 0)
    answerTo(request)?.writeContinue();
}

/**
 * Calls `leave` when nobody waits for the answer any more, for work that takes long. A client that has shut its side of
 * the connection counts as gone here, since one that was closed looks the same; other requests of it are answered.
 */
export function whenLeft({ socket }: IncomingMessage, response: ServerResponse, leave: () => void): void {
  socket.once('end', leave);
  response.once('close', () => {
    socket.off('end', leave);
    leave();
  });
}
