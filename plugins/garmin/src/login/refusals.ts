import { ConnectorError } from '@on-the-way/sdk';
import { parseRetryAfter } from '../map-error.ts';
import type { PlainAnswer } from './post.ts';
import { describeSpan, otherRegionHint, ticketWay } from './remedy.ts';
import type { Region } from '../config.ts';

/** A further sign-in within hours makes Garmin's block longer. */
const signInPauseMs = 2 * 3_600_000;

function isPage({ headers, text }: PlainAnswer): boolean {
  return /html/i.test(JSON.stringify(headers['content-type'] ?? '')) || /^\s*</.test(text);
}

function isBotCheck(answer: PlainAnswer): boolean {
  const { status, headers, text } = answer;
  if (!isPage(answer)) return false;
  return (
    status === 403 || headers['cf-mitigated'] !== undefined || /cloudflare|just a moment|captcha/i.test(text)
  );
}

function hasHidden429(json: unknown): boolean {
  return /"status-code"\s*:\s*"?429\b|"TOO_MANY_REQUESTS"/.test(JSON.stringify(json ?? ''));
}

function limitOf(answer: PlainAnswer): string | undefined {
  const { status, json } = answer;
  if (status === 429) return 'HTTP 429';
  if (hasHidden429(json)) return `HTTP 429 within HTTP ${status}`;
  return isBotCheck(answer) ? `a bot check (HTTP ${status})` : undefined;
}

/** The error for a limit or a bot check in the way of a sign-in; undefined where the answer is neither. */
export function limitedSignIn(answer: PlainAnswer): ConnectorError | undefined {
  const found = limitOf(answer);
  return found === undefined ? undefined : pauseError(`Expected a sign-in, got ${found}`, answer);
}

/** The same for a renewal, of which no number blocks the account: the time is stated only where Garmin does. */
export function limitedRenewal(answer: PlainAnswer): ConnectorError | undefined {
  const found = limitOf(answer);
  if (found === undefined) return undefined;
  const { status, headers } = answer;
  const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
  return new ConnectorError(
    'rate_limited',
    `Expected a renewed session, got ${found}: wait, then ask again`,
    {
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      cause: new Error(`HTTP ${status}`),
    },
  );
}

/** `rate_limited` with the time Garmin states, or two hours, and the way around. */
export function pauseError(said: string, { status, headers }: PlainAnswer): ConnectorError {
  const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now()) ?? signInPauseMs;
  return new ConnectorError(
    'rate_limited',
    `${said}. Wait ${describeSpan(retryAfterMs)}, as each further try makes it longer, or ${ticketWay}`,
    { status, retryAfterMs, cause: new Error(`HTTP ${status}`) },
  );
}

/** `auth` for e-mail and password that Garmin does not know together; it may be the other region that does. */
export function refusedPassword(region: Region, status?: number): ConnectorError {
  return new ConnectorError(
    'auth',
    'Expected a sign-in, but e-mail or password are refused: check both. Each region has accounts of its own: for ' +
      `the other one ${otherRegionHint(region)}`,
    status === undefined ? {} : { status },
  );
}
