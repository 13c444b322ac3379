import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is known of a request while it is answered, whoever serves it. */
interface Exchange {
  /** A UUID, which refusals, log and audit share. */
  readonly requestId: string;
  /** Of its address: no query. */
  readonly path: string;
  /** Template of the path that answers, for labels; `none` where no route does. */
  route: string;
}

const exchange = Symbol('exchange');
const answer = Symbol('answer');

interface Kept extends ServerResponse {
  [exchange]?: Exchange;
}

interface Asked extends IncomingMessage {
  [answer]?: ServerResponse;
}

function exchangeOf(response: ServerResponse): Exchange {
  const kept = (response as Kept)[exchange];
  if (!kept) throw new TypeError('Expected the request to have been begun');
  return kept;
}

/** The path of a target, be it one or a whole address. */
function pathOf(target: string): string {
  const path = target.startsWith('/') ? target : target.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '');
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}

/** Gives a request its id. Comes before everything else that is done with it. */
export function beginExchange(request: IncomingMessage, response: ServerResponse): void {
  const requestId = randomUUID();
  (response as Kept)[exchange] = { requestId, path: pathOf(request.url ?? '/'), route: 'none' };
  (request as Asked)[answer] = response;
  response.setHeader('X-Request-Id', requestId);
}

/** The id of the request being answered. */
export function requestIdOf(response: ServerResponse): string {
  return exchangeOf(response).requestId;
}

/** The path that was asked for, as it was sent. */
export function pathAsked(response: ServerResponse): string {
  return exchangeOf(response).path;
}

/** Says which route answers. */
export function setTemplate(response: ServerResponse, template: string): void {
  exchangeOf(response).route = template;
}

/** The template of the path that answers. */
export function templateOf(response: ServerResponse): string {
  return exchangeOf(response).route;
}

/** What answers a request; undefined for one that was not begun here. */
export function answerTo(request: IncomingMessage): ServerResponse | undefined {
  return (request as Asked)[answer];
}
