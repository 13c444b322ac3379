import type { ConnectorErrorCode } from '../errors.ts';
import type { Reply } from './server.ts';
import type { FaultName } from './subject.ts';

/** A way a source goes wrong, and what a connector may call it. */
export interface Fault {
  readonly name: FaultName;
  readonly reply: () => Reply;
  readonly codes: readonly (ConnectorErrorCode | 'none')[];
  /** Milliseconds that `rate_limited` must carry, give or take two seconds. */
  readonly retryAfterMs?: number;
  /** True where nothing is answered, so that what waits for it waits for its time-out. */
  readonly isSilent?: true;
}

const json = { error: 'as a test wants it' };

function status(code: number, name: FaultName, codes: Fault['codes']): Fault {
  return { name, reply: () => ({ status: code, json }), codes };
}

function limited(name: FaultName, retryAfter: () => string): Fault {
  const reply = (): Reply => ({ status: 429, json, headers: { 'retry-after': retryAfter() } });
  return { name, reply, codes: ['rate_limited'], retryAfterMs: 42_000 };
}

/**
 * The faults of checks 11, 27 and 28, with the codes that say what is true of each: what repairs itself is `transient`,
 * what a person must do is `auth` or `needs_user`, what asking again does not change is one of the others.
 */
export const faults: readonly Fault[] = [
  status(401, '401', ['auth', 'needs_user']),
  status(403, '403', ['auth', 'needs_user', 'not_supported', 'source']),
  status(404, '404', ['not_supported', 'source', 'bad_data', 'none']),
  status(409, '409', ['source', 'transient', 'bad_data']),
  status(422, '422', ['source', 'bad_data', 'config']),
  limited('429 with seconds', () => '42'),
  limited('429 with a date', () => new Date(Date.now() + 42_000).toUTCString()),
  status(500, '500', ['transient']),
  status(502, '502', ['transient']),
  status(503, '503', ['transient']),
  { name: 'time-out', reply: () => ({ how: 'hang' }), codes: ['transient'], isSilent: true },
  { name: 'reset', reply: () => ({ how: 'reset' }), codes: ['transient'] },
  {
    name: 'truncated body',
    reply: () => ({ json: [json, json], how: 'cut' }),
    codes: ['transient', 'bad_data'],
  },
  {
    name: 'HTML instead of JSON',
    reply: () => ({ text: '<!doctype html><title>Down for maintenance</title>' }),
    codes: ['bad_data', 'source', 'transient'],
  },
];
