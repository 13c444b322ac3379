import { FORBIDDEN, INACTIVE_TOKEN, NOT_FOUND } from './answers/answer.ts';
import { loginReply } from './sign-in/json-login.ts';
import { page } from './sign-in/pages.ts';

/** An answer as a script gives it. */
interface Canned {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const HTML = { 'content-type': 'text/html;charset=utf-8' };

const login = (type: string, status = 200): Canned => ({
  status,
  body: JSON.parse(loginReply({ type, status }).bytes.toString('utf8')) as unknown,
});

const html = (status: number, title: string, text = ''): Canned => ({
  status,
  headers: HTML,
  body: page(title, text).bytes.toString('utf8'),
});

const member = (statusCode: number) => ({
  requestUrl: '/metrics-service/metrics/simulated',
  statusCode,
  headers: {},
  errorMessage: 'Simulated failure',
  payload: null,
  successful: false,
});

const canned = {
  /** The app's login wants a captcha solved. */
  captcha: login('CAPTCHA_REQUIRED'),
  /** The app's login refuses a locked account. */
  'account-locked': login('ACCOUNT_LOCKED', 401),
  /** The widget's page of a locked account. */
  'account-locked-page': html(
    200,
    'GARMIN Authentication Application',
    '<script>var statuss = "ACCOUNT_LOCKED";</script>',
  ),
  /** The widget's page that wants a captcha solved. */
  'captcha-page': html(200, 'GARMIN Authentication Application: captcha'),
  /** 429; give `headers` with a `retry-after` to have one. */
  'rate-limited': { status: 429, body: { message: 'Too Many Requests', error: 'TooManyRequestsException' } },
  /** 429 that hides in a 200 body. */
  'rate-limited-hidden': { body: { error: { 'status-code': '429', 'request-id': 'simulated' } } },
  /** The challenge page put before Garmin. */
  'bot-check': {
    ...html(403, 'Just a moment...', '<p>Checking your browser</p>'),
    headers: { ...HTML, server: 'cloudflare', 'cf-ray': 'simulated-ray' },
  },
  /** The person has not agreed to uploads. */
  'consent-missing': {
    status: 412,
    body: {
      message: 'user is from EU location, but upload consent is not yet granted or revoked',
      error: 'PreconditionFailedException',
    },
  },
  'token-inactive': INACTIVE_TOKEN,
  forbidden: FORBIDDEN,
  'not-found': NOT_FOUND,
  /** What some metrics answer where the feature is not set up. */
  'null-pointer': { status: 500, body: { message: null, error: 'NullPointerException' } },
  'server-error': { status: 500, body: { message: 'Internal Server Error', error: 'InternalServerError' } },
  'bad-gateway': html(502, '502 Bad Gateway'),
  unavailable: html(503, '503 Service Unavailable'),
  'gateway-timeout': html(504, '504 Gateway Time-out'),
  /** A page where JSON was expected, with status 200. */
  'html-page': html(200, 'Maintenance'),
  /** A gateway whose one member failed. */
  'gateway-member': {
    body: { weeklyTrainingStatus: member(503), vo2MaxWeeklyStatistics: member(503) },
  },
  'gateway-member-rate-limited': {
    body: { weeklyTrainingStatus: member(429), vo2MaxWeeklyStatistics: member(429) },
  },
  'graphql-errors': {
    body: {
      data: null,
      errors: [
        {
          message: 'Exception while fetching data : 503 Service Unavailable',
          extensions: { response: { status: 503 } },
        },
      ],
    },
  },
} satisfies Readonly<Record<string, Canned>>;

/** Ready-made answers by name, for scripts: `{ fault: 'captcha' }`. */
export type FaultName = keyof typeof canned;

export const FAULTS: ReadonlyMap<string, Canned> = new Map(Object.entries(canned));
