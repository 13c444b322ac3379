import type { IncomingMessage, ServerResponse } from 'node:http';
import { ipKeyGenerator } from 'express-rate-limit';
import type { HttpConfig } from '../config/host-config.ts';
import type { HostLog } from '../log.ts';
import { ApiError } from './api-error.ts';
import { pathAsked, requestIdOf } from './exchange.ts';
import { prefixOfKey, type KeyHolder, type KeyRing } from './key-ring.ts';
import { createMinuteLimit } from './limits.ts';
import type { Proxies } from './proxies.ts';
import type { Scope } from './route.ts';
import { authorityOf } from './sound.ts';

/** Lets a request pass, or throws its refusal. */
type Guard = (request: IncomingMessage, response: ServerResponse, scope: Scope) => Promise<void>;

/** The guard, and what it does for paths that are not served. */
export interface Doors {
  /** For a route, by its scope. */
  readonly guard: Guard;
  /** For whatever no route serves: who asks matters, what for does not. */
  readonly admit: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

/** What the guard is made of. */
export interface GuardParts {
  readonly http: HttpConfig;
  readonly proxies: Proxies;
  readonly keys: KeyRing;
  readonly log: HostLog;
}

const failuresPerMinute = 30;
const localNames = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const safeMethods = ['GET', 'HEAD', 'OPTIONS'];

function clientOf(proxies: Proxies, request: IncomingMessage): string {
  return ipKeyGenerator(proxies.addressOf(request));
}

function unauthenticated(message: string): ApiError {
  return new ApiError(401, 'UNAUTHENTICATED', message);
}

/** A page of another site that a browser resolves to this machine must not read a person's data. */
function checkHost(request: IncomingMessage, allowedHosts: readonly string[]): void {
  const host = authorityOf(request);
  if (!request.headers.host || host === undefined) {
    throw new ApiError(400, 'INVALID_ARGUMENT', 'Expected a Host header');
  }
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  if (localNames.test(name) || allowedHosts.includes(name)) return;
  const message =
    'Expected the Host header, or the address asked for, to name this machine, such as 127.0.0.1:8000';
  throw new ApiError(421, 'INVALID_ARGUMENT', message);
}

/** Nor may it change anything, which needs no answer to be read. A key is sent by no page on its own. */
function checkOrigin(request: IncomingMessage, corsOrigins: readonly string[]): void {
  if (safeMethods.includes(request.method ?? '')) return;
  const { origin } = request.headers;
  const host = authorityOf(request);
  if (origin !== undefined && corsOrigins.includes(origin)) return;
  const site = request.headers['sec-fetch-site'];
  const isOwn = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if (isOwn && (site === undefined || site === 'same-origin' || site === 'none')) return;
  throw new ApiError(403, 'FORBIDDEN', 'Expected a request of this origin, or one with an API key');
}

function keyIn(authorization: string): string {
  const key = /^bearer +(\S+)$/i.exec(authorization)?.[1];
  if (key === undefined) throw unauthenticated('Expected the header Authorization: Bearer otw_…');
  return key;
}

/** Undefined: a local request without a key, which may do everything. */
async function holderOf(
  request: IncomingMessage,
  { http, keys }: Pick<GuardParts, 'http' | 'keys'>,
): Promise<KeyHolder | undefined> {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const holder = await keys.holderOf(keyIn(authorization));
    if (holder) return holder;
    throw unauthenticated('Expected an API key that is neither unknown nor expired nor revoked');
  }
  if (http.requireKey) throw unauthenticated('Expected an API key: Authorization: Bearer otw_…');
  checkHost(request, http.allowedHosts);
  checkOrigin(request, http.corsOrigins);
  return undefined;
}

/** Makes the guard. A request without a key is a local one, or is refused; a key that is shown must be good. */
export function createGuard({ http, proxies, keys, log }: GuardParts): Doors {
  const failures = createMinuteLimit('requests that are refused', failuresPerMinute);
  const ingest = createMinuteLimit('ingest requests', http.ingestPerMinute);

  function tell(request: IncomingMessage, response: ServerResponse, { status, holder }: Told): void {
    const { authorization } = request.headers;
    const shown = holder?.label ?? prefixOfKey((authorization ?? '').replace(/^bearer +/i, ''));
    const none = authorization === undefined ? 'none' : 'malformed';
    log.warn(
      {
        status,
        ip: proxies.addressOf(request),
        key_prefix: shown ?? none,
        request_id: requestIdOf(response),
        method: request.method,
        path: pathAsked(response),
      },
      'request refused',
    );
  }

  /** Past the limit neither answered as before nor logged: guesses must not fill the log. */
  async function count(request: IncomingMessage, response: ServerResponse, told: Told): Promise<void> {
    await failures.take(clientOf(proxies, request));
    tell(request, response, told);
  }

  async function identify(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<KeyHolder | undefined> {
    try {
      return await holderOf(request, { http, keys });
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) throw error;
      await count(request, response, { status: error.status });
      if (error.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
      throw error;
    }
  }

  return {
    async admit(request, response) {
      await identify(request, response);
    },
    async guard(request, response, scope) {
      if (scope === 'open') return;
      const holder = await identify(request, response);
      if (holder && !holder.scopes.includes(scope) && !holder.scopes.includes('admin')) {
        await count(request, response, { status: 403, holder });
        throw new ApiError(403, 'FORBIDDEN', `Expected an API key with the scope ${scope}`);
      }
      if (scope === 'ingest') await ingest.take(holder?.id ?? clientOf(proxies, request));
    },
  };
}

interface Told {
  readonly status: number;
  readonly holder?: KeyHolder;
}
