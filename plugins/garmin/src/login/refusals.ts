import { ConnectorError, type LoginContext } from '@on-the-way/sdk';
import { parseRetryAfter } from '../map-error.ts';
import type { PlainAnswer } from './post.ts';
import { describeSpan, otherRegionHint, ticketWay } from './remedy.ts';
import type { Region } from '../config.ts';

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

/** `rate_limited` for a refused sign-in, with the time where Garmin states one, and the way around. */
export function pauseError(
  said: string,
  { status, headers }: Pick<PlainAnswer, 'status' | 'headers'>,
): ConnectorError {
  const stated = parseRetryAfter(headers['retry-after'], Date.now()) ?? 0;
  const time = stated > 0 ? describeSpan(stated) : 'for hours';
  return new ConnectorError(
    'rate_limited',
    `${said}. Wait ${time}, as each further try makes it longer, or ${ticketWay}`,
    {
      status,
      refusedSignIn: true,
      ...(stated > 0 && { retryAfterMs: stated }),
      cause: new Error(`HTTP ${status}`),
    },
  );
}

/** Throws `rate_limited` while no password and no code may be sent. Call it before either, and before asking for one. */
export function checkPause({
  signInPausedUntil: until = 0,
}: Pick<LoginContext<unknown>, 'signInPausedUntil'>): void {
  const retryAfterMs = until - Date.now();
  if (retryAfterMs <= 0) return;
  throw new ConnectorError(
    'rate_limited',
    `Expected to sign in, but Garmin refused a sign-in before. Wait ${describeSpan(retryAfterMs)}, as each further ` +
      `try makes it longer, or ${ticketWay}`,
    { retryAfterMs, refusedSignIn: true },
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
