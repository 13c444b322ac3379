import { checkpoint, ConnectorError, defineConnector, secret, type LoginContext } from '@on-the-way/sdk';
import { z } from 'zod';

// The connector of the verifiable source (verifiable-source.ts). An answer that is not whole is worth nothing to it.

const configSchema = z.object({
  origin: z.string(),
  account: z.string(),
  password: secret(),
  /** Whether the dataset with a cursor is read as well. */
  moments: z.boolean().default(true),
});

const tokensSchema = z.object({ access: z.string(), refresh: z.string() });
const recordSchema = z.object({ id: z.string(), version: z.number(), value: z.number(), text: z.string() });
const pageSchema = z.object({
  records: z.array(recordSchema.extend({ day: z.string().optional(), number: z.number().optional() })),
  next: z.number().optional(),
  cursor: z.number().optional(),
  more: z.boolean().optional(),
});

type Context = LoginContext<z.output<typeof configSchema>>;
type Tokens = z.output<typeof tokensSchema>;
type Page = z.output<typeof pageSchema>;
type Session = Context;

function url({ config: { origin, account } }: Context, what: string): string {
  return `${origin}/${encodeURIComponent(account)}/${what}`;
}

/** What went wrong on the way, or on arrival, may go well the next time. */
async function orTransient<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new ConnectorError('transient', 'Expected a whole answer, got a part of one or none', { cause });
  }
}

async function askForTokens(context: Context, body: object): Promise<Tokens> {
  const request = { method: 'POST', body: JSON.stringify(body), signal: context.signal };
  const response = await orTransient(fetch(url(context, 'token'), request));
  if (!response.ok) throw new ConnectorError('needs_user', 'Expected tokens, was refused: sign in anew');
  return tokensSchema.parse(await orTransient(response.json()));
}

/** The tokens to go on with; `refused` is the access token that was not good any more. */
async function tokensAfter(context: Context, refused?: string): Promise<Tokens> {
  const saved = await context.tokens.update('session', async (current) => {
    const { data } = tokensSchema.safeParse(current);
    if (!data) return askForTokens(context, { password: context.config.password });
    return data.access === refused ? askForTokens(context, { refresh: data.refresh }) : undefined;
  });
  return tokensSchema.parse(saved);
}

function refusal(response: Response): ConnectorError {
  const after = Number(response.headers.get('retry-after') ?? Number.NaN);
  const options = { status: response.status, ...(after >= 0 && { retryAfterMs: after * 1000 }) };
  const code = response.status === 429 ? 'rate_limited' : response.status >= 500 ? 'transient' : 'source';
  return new ConnectorError(code, `Expected an answer, was refused with ${response.status}`, options);
}

async function ask(session: Session, what: string, signal: AbortSignal): Promise<Page> {
  let { access } = tokensSchema.parse(await session.tokens.load('session'));
  for (let renewals = 0; ; renewals += 1) {
    session.countRequest();
    const headers = { authorization: `Bearer ${access}`, 'x-host-process': String(process.ppid) };
    const response = await orTransient(fetch(url(session, what), { headers, signal }));
    if (response.status === 401 && renewals < 3) ({ access } = await tokensAfter(session, access));
    else if (!response.ok) throw refusal(response);
    else return pageSchema.parse(await orTransient(response.json()));
  }
}

interface Wanted {
  readonly session: Session;
  readonly window: { readonly from: string; readonly to: string };
  readonly signal: AbortSignal;
}

/** All pages of the window. */
async function* daysOf(dataset: string, { session, window: { from, to }, signal }: Wanted) {
  let next: number | undefined = 0;
  while (next !== undefined) {
    const page: Page = await ask(session, `${dataset}?from=${from}&to=${to}&page=${next}`, signal);
    for (const { day = '', number: _, ...data } of page.records) yield { day, data };
    next = page.next;
  }
}

const minuteMs = 60_000;

/** All pages after the cursor, each followed by where to go on. */
async function* momentsOf(session: Session, cursor: unknown, signal: AbortSignal) {
  let after = z.number().default(0).parse(cursor);
  for (;;) {
    const page = await ask(session, `moments?after=${after}`, signal);
    for (const { day: _, number = 0, ...data } of page.records) {
      const occurredAt = new Date(Date.UTC(2026, 0, 1) + number * minuteMs).toISOString();
      yield { key: String(number), occurredAt, data };
    }
    after = page.cursor ?? after;
    if (page.records.length > 0 || page.more === true) yield checkpoint(after);
    if (page.more !== true) return;
  }
}

export default defineConnector({
  name: 'verifiable',
  version: '1.0.0',
  description: 'Reads the source that knows what it said.',
  source: 'verifiable',
  config: configSchema,
  async login(context) {
    await tokensAfter(context);
    return context;
  },
  account: ({ config }) => config.account,
  datasets: async ({ config }) => ({
    steps: {
      granularity: 'day',
      settleDays: 2,
      description: 'A day a request.',
      fetch: (wanted) => daysOf('steps', wanted),
    },
    weights: {
      granularity: 'range',
      spanDays: 4,
      settleDays: 2,
      description: 'Several days a request.',
      fetch: (wanted) => daysOf('weights', wanted),
    },
    ...(config.moments && {
      moments: {
        granularity: 'cursor',
        description: 'From a cursor on.',
        fetch: ({ session, cursor, signal }) => momentsOf(session, cursor, signal),
      },
    }),
  }),
});
