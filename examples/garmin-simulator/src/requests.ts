import type { Request } from './http.ts';

/** A request as it is remembered: without anything one could sign in with. */
export interface SimulatedRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  /** 0 when the connection was reset instead of answered. */
  status: number;
  /** Milliseconds since 1970, by the simulator's clock. */
  at: number;
  /** Did it carry an access token that is accepted? */
  authorised: boolean;
  headers: Record<string, string | undefined>;
}

const SECRET_HEADERS = new Set(['authorization', 'cookie']);
const SECRET_QUERY = /^(oauth_|ticket$)/;

interface Remembered {
  readonly request: Request;
  readonly status: number;
  readonly at: number;
  readonly authorised: boolean;
}

export function rememberRequest({ request, status, at, authorised }: Remembered): SimulatedRequest {
  const headers = Object.entries(request.headers)
    .filter(([name]) => !SECRET_HEADERS.has(name))
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]);
  const query = Object.entries(request.query).map(([name, value]) => [
    name,
    SECRET_QUERY.test(name) ? '(hidden)' : value,
  ]);
  return {
    method: request.method,
    path: request.path,
    query: Object.fromEntries(query),
    status,
    at,
    authorised,
    headers: Object.fromEntries(headers),
  };
}
