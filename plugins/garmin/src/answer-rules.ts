import type { ConnectorErrorCode } from '@on-the-way/sdk';

/** An answer that brings no data, reduced to what its meaning depends on. Never kept: it holds the body. */
export interface Refusal {
  /** The path as the table of datasets writes it, so without names and days. */
  readonly path: string;
  /** HTTP status, or the one that stands inside an answer of 200. */
  readonly status: number;
  /** True when the body is an HTML page. */
  readonly isPage: boolean;
  /** True when that page is Cloudflare's. */
  readonly isBotCheck: boolean;
  readonly body: string;
}

/** A row of docs/garmin.md, "What each answer becomes": the conditions that are given must all hold. */
export interface AnswerRule {
  /** What the row is about, as the docs name it. */
  readonly name: string;
  /** Statuses it speaks of, or a test of them; left out, of all. */
  readonly status?: readonly number[] | ((status: number) => boolean);
  /** Paths it speaks of. */
  readonly path?: RegExp;
  /** What the body must hold. */
  readonly body?: RegExp;
  /** `page`: the body is HTML; `bot check`: and Cloudflare's. */
  readonly kind?: 'page' | 'bot check';
  readonly code: ConnectorErrorCode;
  /** What it means and what to do. */
  readonly advice: string;
  /** How long to wait where Garmin does not say; left out, the host decides. */
  readonly pauseMs?: number;
}

const halfAnHourMs = 30 * 60_000;
const cycleTracking = /^\/periodichealth-service\//;
// The app's public key stands under a whole address.
const signingIn =
  /^(\/(sso|portal|mobile\/api|oauth-service|di-oauth2-service|personalapitoken-service)\/|https:)/;

/** The first row that fits is the meaning; the last one fits everything. */
export const answerRules: readonly AnswerRule[] = [
  {
    name: 'a bot check instead of an answer',
    status: [200, 403, 503],
    kind: 'bot check',
    code: 'rate_limited',
    advice: 'a bot check stands in front of Garmin; wait before asking again',
    pauseMs: halfAnHourMs,
  },
  {
    name: '403 with a page',
    status: [403],
    kind: 'page',
    code: 'rate_limited',
    advice: 'a page stands in front of Garmin; wait before asking again',
    pauseMs: halfAnHourMs,
  },
  { name: '429', status: [429], code: 'rate_limited', advice: 'wait before asking again' },
  {
    name: '200 with a page',
    status: [200],
    kind: 'page',
    code: 'bad_data',
    advice: 'it is an HTML page instead of JSON; is something between this host and Garmin?',
  },
  {
    name: '400, 403, 404 or 412 while signing in',
    status: [400, 403, 404, 412],
    path: signingIn,
    code: 'source',
    advice: 'asking again unchanged does not help',
  },
  {
    name: '400 of cycle tracking that is not set up',
    status: [400],
    path: cycleTracking,
    body: /MCT settings were not found/i,
    code: 'not_supported',
    advice: 'it is not enabled: the account has not set this up in Garmin Connect',
  },
  {
    name: '500 of cycle tracking that is not set up',
    status: [500],
    path: cycleTracking,
    body: /NullPointerException/,
    code: 'not_supported',
    advice: 'it is not enabled: the account has not set this up in Garmin Connect',
  },
  {
    name: '400',
    status: [400],
    code: 'source',
    advice: 'a parameter is wrong or the window too long; asking again unchanged does not help',
  },
  { name: '401', status: [401], code: 'auth', advice: 'Garmin refuses the session; sign in again' },
  {
    name: '403 of the own profile',
    status: [403],
    path: /^\/userprofile-service\/socialProfile/,
    code: 'auth',
    advice: 'Garmin refuses the session; sign in again and replace the saved tokens',
  },
  {
    name: '403',
    status: [403],
    code: 'not_supported',
    advice: 'it is forbidden for this account',
  },
  {
    name: '404',
    status: [404],
    code: 'not_supported',
    advice: 'the account or its devices have no such data',
  },
  {
    name: '405 or 406',
    status: [405, 406],
    code: 'bad_data',
    advice: 'Garmin does not take such a request, which is a bug of this connector: please report it',
  },
  { name: '408', status: [408], code: 'transient', advice: 'ask again later' },
  {
    name: '412',
    status: [412],
    code: 'not_supported',
    advice: 'a consent is missing: grant it at connect.garmin.com (for China connect.garmin.cn)',
  },
  {
    name: 'a redirect',
    status: (status) => status >= 300 && status < 400,
    code: 'bad_data',
    advice: 'a redirect is not followed with a session',
  },
  { name: '5xx', status: (status) => status >= 500, code: 'transient', advice: 'ask again later' },
  {
    name: 'anything else',
    code: 'source',
    advice: 'asking again unchanged does not help',
  },
];

function fits({ status, path, body, kind }: AnswerRule, refusal: Refusal): boolean {
  if (typeof status === 'function' && !status(refusal.status)) return false;
  if (Array.isArray(status) && !status.includes(refusal.status)) return false;
  if (kind === 'page' && !refusal.isPage) return false;
  if (kind === 'bot check' && !refusal.isBotCheck) return false;
  return (path?.test(refusal.path) ?? true) && (body?.test(refusal.body) ?? true);
}

/** What an answer without data means. */
export function judge(refusal: Refusal): AnswerRule {
  const rule = answerRules.find((candidate) => fits(candidate, refusal));
  if (rule) return rule;
  throw new Error('Expected the last of the answer rules to fit everything');
}
