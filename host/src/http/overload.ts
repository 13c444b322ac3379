import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { fixedHeaders } from './headers.ts';
import { createComingBodies, presetBodyLimits, type BodyLimits, type ComingBody } from './slow-bodies.ts';
import { turn } from './turns.ts';

const livePath = '/v1/health/live';
const mostAtWork = 512;

/** What says no, as cheaply as can be: no error is made and no line is logged for each. */
function refuse(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  const id = randomUUID();
  const body = JSON.stringify({
    status: 'error',
    code: 'OVERLOADED',
    message: 'Too much is asked of this host at once; try again shortly',
    request_id: id,
  });
  response
    .writeHead(503, {
      ...headers,
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Retry-After': '1',
      'X-Request-Id': id,
    })
    .end(body);
}

/** How many requests there may be, and what is told of those that are refused. */
export interface LoadOptions {
  /** Requests that are worked on, past which others are refused. */
  readonly most?: number;
  readonly bodies?: BodyLimits;
  /** Called for each that is refused. */
  readonly onRefused?: () => void;
}

/** A request's place among those that are worked on. */
interface Place {
  /** Gives the place to others while the body comes; called by whoever reads it. `giveUp`: it is too slow. */
  awaitBody(giveUp: () => void): ComingBody;
}

const places = new WeakMap<IncomingMessage, Place>();

/** The place of a request; undefined for one that came another way than through `shedLoad`. */
export function placeAtWork(request: IncomingMessage): Place | undefined {
  return places.get(request);
}

/** Counts what is worked on, as opposed to what waits for its client: for a body, or to have an answer taken. */
function createPlaces(limits: BodyLimits): {
  readonly taken: () => number;
  readonly take: (request: IncomingMessage, response: ServerResponse) => void;
} {
  const bodies = createComingBodies(limits);
  let taken = 0;
  return {
    taken: () => taken,
    take(request, response) {
      let isAtWork = true;
      let isOver = false;
      taken += 1;
      const setAtWork = (value: boolean): void => {
        if (isOver || isAtWork === value) return;
        isAtWork = value;
        taken += value ? 1 : -1;
      };
      const leave = (): void => {
        setAtWork(false);
        isOver = true;
      };
      response.once('prefinish', leave).once('close', leave);
      places.set(request, {
        awaitBody(giveUp) {
          setAtWork(false);
          const coming = bodies.begin(giveUp);
          return {
            came: coming.came,
            paused() {
              coming.paused();
              setAtWork(true);
            },
            resumed() {
              coming.resumed();
              setAtWork(false);
            },
            ended() {
              coming.ended();
              setAtWork(true);
            },
          };
        },
      });
    },
  };
}

function isLive(url: string | undefined): boolean {
  return url === livePath || url?.startsWith(`${livePath}?`) === true;
}

/**
 * Takes requests in turns, so that none keeps the event loop from what is quick, and refuses what would only wait,
 * before anything of it is read: 503 with Retry-After. `/v1/health/live` is always answered at once, so that a host
 * that is busy is not taken for one that is dead.
 */
export function shedLoad(
  handler: RequestListener,
  { most = mostAtWork, bodies = presetBodyLimits, onRefused }: LoadOptions = {},
): RequestListener {
  const atWork = createPlaces(bodies);
  const headers = fixedHeaders();
  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    // Whoever went away meanwhile wants no answer.
    if (!response.destroyed) handler(request, response);
  };
  const admit = (request: IncomingMessage, response: ServerResponse): void => {
    if (response.destroyed) return;
    if (isLive(request.url)) {
      handler(request, response);
      return;
    }
    if (atWork.taken() >= most) {
      onRefused?.();
      refuse(response, headers);
      return;
    }
    atWork.take(request, response);
    const wait = turn();
    if (wait) void wait.then(() => begin(request, response));
    else handler(request, response);
  };
  return (request, response) => {
    // One that is sent ahead waits for the answers before it: they would be kept in memory behind one nobody takes.
    if (response.socket) admit(request, response);
    else response.once('socket', () => setImmediate(admit, request, response));
  };
}
