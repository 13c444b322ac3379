import { ConnectorError, type ConnectorErrorCode } from '@on-the-way/sdk';
import { z } from 'zod';
import type { Answer } from './transport.ts';

/** One of the reasons in a refusal of Strava. */
export interface Reason {
  readonly resource: string;
  readonly field: string;
  readonly code: string;
}

// A few words, never a value: letters and what stands between them.
const words = z
  .string()
  .regex(/^[A-Za-z_: ]{0,40}$/)
  .catch('');
const fault = z.object({ errors: z.array(z.object({ resource: words, field: words, code: words })) });

/** Why Strava refused, as far as it says. */
export function reasonsOf({ text }: Answer): readonly Reason[] {
  try {
    return fault.safeParse(JSON.parse(text)).data?.errors ?? [];
  } catch {
    // A page of something on the way; the status says enough.
    return [];
  }
}

/** The permissions a person gives, and what of it can be seen without. */
const scopes = 'activity:read (activity:read_all for activities that only you may see)';

/** How a person gives access, in every message that asks for one. */
export const giveAccess =
  'run otw login NAME and give access to your Strava account, docs/strava.md has the steps';

/** The refusal of a permission that the person did not give; undefined where it is none. */
export function missingScope(answer: Answer): ConnectorError | undefined {
  const missing = reasonsOf(answer).find(
    ({ field, code }) => field.endsWith('_permission') && code === 'missing',
  );
  if (!missing) return undefined;
  return new ConnectorError(
    'needs_user',
    `Expected the permission ${scopes}, Strava misses ${missing.field}: ${giveAccess}, and leave the boxes ticked`,
    { status: answer.status },
  );
}

function forbidden(answer: Answer, path: string): ConnectorError {
  const isInactive = reasonsOf(answer).some(
    ({ resource, field, code }) => resource === 'Application' && field === 'Status' && code === 'Inactive',
  );
  if (!isInactive) return plain('source', answer, path);
  return new ConnectorError(
    'needs_user',
    'Expected an active Strava application, got one that Strava made inactive: since July 2026 its owner needs a Strava ' +
      'subscription; look at https://www.strava.com/settings/api',
    { status: answer.status },
  );
}

function plain(code: ConnectorErrorCode, answer: Answer, path: string): ConnectorError {
  const [reason] = reasonsOf(answer);
  const why = reason ? ` (${[reason.resource, reason.field, reason.code].join(' ').trim()})` : '';
  return new ConnectorError(code, `Expected ${path}, got HTTP ${answer.status}${why}`, {
    status: answer.status,
  });
}

/** What an answer other than 2xx and 429 means for the host. */
export function refusalOf(answer: Answer, path: string): ConnectorError {
  const { status } = answer;
  if (status === 401) return missingScope(answer) ?? plain('auth', answer, path);
  if (status === 403) return forbidden(answer, path);
  return plain(status === 408 || status >= 500 ? 'transient' : 'source', answer, path);
}
