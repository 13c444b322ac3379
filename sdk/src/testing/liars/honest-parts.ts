import { z } from 'zod';
import { checkpoint, type Checkpoint } from '../../checkpoint.ts';
import {
  defineConnector,
  type Connector,
  type CursorContext,
  type CursorRecord,
  type FetchContext,
  type ConnectorRecord,
  type LoginContext,
} from '../../connector.ts';
import { ConnectorError, type ConnectorErrorCode } from '../../errors.ts';
import type { JsonValue } from '../../json.ts';
import { secret } from '../../secret.ts';
import { addDays, daysOf, startOfDay } from '../../windows.ts';

/** What the suite's own connector is configured with. */
export const honestConfig = z.strictObject({
  origin: z.string(),
  user: z.string(),
  password: secret(),
  timeoutMs: z.number().default(1000),
});

type HonestConfig = z.output<typeof honestConfig>;
type Context = LoginContext<HonestConfig>;
const tokensSchema = z.object({ access: z.string(), refresh: z.string() });
type Access = z.output<typeof tokensSchema>;

/** A session of the suite's own connector; it is nothing but its functions, so that a liar can put others in their place. */
export interface HonestSession {
  readonly context: Context;
  access: Access;
  get(path: string, signal: AbortSignal): Promise<JsonValue>;
}

type Days = (context: FetchContext<HonestSession>, parts: HonestParts) => AsyncIterable<ConnectorRecord>;
type Since = (
  context: CursorContext<HonestSession>,
  parts: HonestParts,
) => AsyncIterable<CursorRecord | Checkpoint>;

/** The functions the suite's own connector is made of. A liar is these with one of them put wrong. */
export interface HonestParts {
  readonly name: string;
  readonly version: string;
  readonly config: z.ZodType;
  readonly isolated?: boolean;
  /** One request; resolves with what came back, read whole. */
  send(
    context: Context,
    request: { path: string; init?: RequestInit; signal: AbortSignal },
  ): Promise<{ status: number; headers: Headers; body: string }>;
  errorOf(status: number, path: string, headers: Headers): ConnectorError;
  parse(body: string): JsonValue;
  signIn(context: Context, parts: HonestParts): Promise<Access>;
  renew(session: HonestSession, refused: string, parts: HonestParts): Promise<Access>;
  login(context: Context, parts: HonestParts): Promise<HonestSession>;
  account(session: HonestSession): string;
  names(): Readonly<Record<'steps' | 'readings' | 'notes' | 'state' | 'events' | 'large', string>>;
  readonly spanDays: number;
  steps: Days;
  readings: Days;
  notes: Days;
  state: Days;
  events: Since;
  large: Since;
  logout(session: HonestSession): Promise<void>;
}

/** Milliseconds a Retry-After asks for, in seconds or as a date. */
function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function codeOf(status: number): ConnectorErrorCode {
  if (status === 401) return 'auth';
  if (status === 403) return 'needs_user';
  if (status === 410) return 'out_of_range';
  if (status === 429) return 'rate_limited';
  return status >= 500 ? 'transient' : 'source';
}

async function send(
  { config, countRequest, signal: whole }: Context,
  { path, init = {}, signal }: { path: string; init?: RequestInit; signal: AbortSignal },
): Promise<{ status: number; headers: Headers; body: string }> {
  countRequest();
  const limited = AbortSignal.any([signal, whole, AbortSignal.timeout(config.timeoutMs)]);
  try {
    const response = await fetch(config.origin + path, { ...init, signal: limited });
    return { status: response.status, headers: response.headers, body: await response.text() };
  } catch (cause) {
    signal.throwIfAborted();
    whole.throwIfAborted();
    throw new ConnectorError('transient', `Expected an answer from ${path}, got none`, { cause });
  }
}

function errorOf(status: number, path: string, headers: Headers): ConnectorError {
  const after = status === 429 ? retryAfterMs(headers) : undefined;
  const options = { status, ...(after !== undefined && { retryAfterMs: after }) };
  return new ConnectorError(codeOf(status), `Expected ${path}, got HTTP ${status}`, options);
}

function parse(body: string): JsonValue {
  try {
    return JSON.parse(body) as JsonValue;
  } catch (cause) {
    throw new ConnectorError('bad_data', 'Expected JSON, got something else', { cause });
  }
}

async function post(context: Context, parts: HonestParts, path: string, value: JsonValue): Promise<Access> {
  const { signal } = context;
  const init = { method: 'POST', body: JSON.stringify(value) };
  const { status, headers, body } = await parts.send(context, { path, init, signal });
  if (status === 400)
    throw new ConnectorError('auth', 'Expected the refresh token to be taken: sign in again');
  if (status !== 200) throw parts.errorOf(status, path, headers);
  return tokensSchema.parse(parts.parse(body));
}

/** Renews access while nobody else does. */
async function renew({ context }: HonestSession, refused: string, parts: HonestParts): Promise<Access> {
  const saved = await context.tokens.update('session', async (current) => {
    const { access, refresh } = tokensSchema.parse(current);
    return access === refused ? post(context, parts, '/token', { refresh }) : undefined;
  });
  return tokensSchema.parse(saved);
}

/** Signs in with the password. */
export async function signIn(context: Context, parts: HonestParts): Promise<Access> {
  const { user, password } = context.config;
  return post(context, parts, '/sign-in', { user, password });
}

/** A session over what is saved, or over a new sign-in. */
async function login(context: Context, parts: HonestParts): Promise<HonestSession> {
  const saved = tokensSchema.safeParse(await context.tokens.load('session'));
  const access = saved.data ?? (await parts.signIn(context, parts));
  if (!saved.success) await context.tokens.save('session', access);
  const session: HonestSession = {
    context,
    access,
    async get(path, signal) {
      const ask = () => {
        const headers = { authorization: `Bearer ${session.access.access}` };
        return parts.send(context, { path, init: { headers }, signal });
      };
      const asked = session.access.access;
      let answer = await ask();
      if (answer.status === 401) {
        session.access = await parts.renew(session, asked, parts);
        answer = await ask();
      }
      if (answer.status !== 200) throw parts.errorOf(answer.status, path, answer.headers);
      return parts.parse(answer.body);
    },
  };
  await session.get('/me', context.signal);
  return session;
}

const steps = z.object({ steps: z.number() }).nullable();
/** Readings of a time. */
export const readings = z.array(z.object({ at: z.string(), value: z.number() }));
/** Where the readings' days begin. */
export const newYork = 'America/New_York';
const notes = z.array(z.object({ day: z.string(), text: z.string() }));
/** A page of events. */
export const eventsPage = z.object({
  events: z.array(z.object({ id: z.string(), of: z.string(), at: z.string() })),
  next: z.number(),
  more: z.boolean(),
});
/** A page of the large dataset. */
export const largePage = z.object({
  records: z.array(z.object({ id: z.string(), text: z.string() })),
  next: z.number(),
  more: z.boolean(),
});
const cursorSchema = z.strictObject({ v: z.literal(1), next: z.number() });

/** What the source said, or bad_data. */
export function shaped<Shape extends z.ZodType>(shape: Shape, value: JsonValue): z.output<Shape> {
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  throw new ConnectorError('bad_data', 'Expected another shape of answer');
}

function placeOf(cursor: JsonValue | undefined): number {
  if (cursor === undefined) return 0;
  const known = cursorSchema.safeParse(cursor);
  if (known.success) return known.data.next;
  throw new ConnectorError('config', 'Expected a cursor of this version: otw reset --cursors begins anew');
}

/** The functions of a connector that keeps every promise. */
export const honestParts: HonestParts = {
  name: 'honest',
  version: '1.0.0',
  config: honestConfig,
  send,
  errorOf,
  parse,
  signIn,
  renew,
  login,
  account: ({ context }) => context.config.user,
  names: () => ({
    steps: 'steps',
    readings: 'readings',
    notes: 'notes',
    state: 'state',
    events: 'events',
    large: 'large',
  }),
  spanDays: 7,
  async *steps({ session, window, signal }) {
    for (const day of daysOf(window)) {
      const answer = shaped(steps, await session.get(`/steps?day=${day}`, signal));
      if (answer) yield { day, data: answer };
    }
  },
  async *readings({ session, window, signal }) {
    for (const day of daysOf(window)) {
      const [from, to] = [day, addDays(day, 1)].map((one) =>
        new Date(startOfDay(one, newYork)).toISOString(),
      );
      const answer = shaped(readings, await session.get(`/readings?from=${from}&to=${to}`, signal));
      for (const { at, value } of answer) yield { day, occurredAt: at, data: { value } };
    }
  },
  async *notes({ session, window: { from, to }, signal }) {
    if (from >= to) return;
    const answer = shaped(notes, await session.get(`/notes?from=${from}&to=${to}`, signal));
    for (const { day, text } of answer) yield { day, data: { text } };
  },
  async *state({ session, window, signal }) {
    yield { day: window.from, data: await session.get('/state', signal) };
  },
  async *events({ session, cursor, signal }) {
    let next = placeOf(cursor);
    for (let more = true; more;) {
      const page = shaped(eventsPage, await session.get(`/events?after=${next}`, signal));
      for (const { id, of, at } of page.events) yield { key: id, occurredAt: at, data: { id, of } };
      ({ next, more } = page);
      yield checkpoint({ v: 1, next });
    }
  },
  async *large({ session, cursor, signal }) {
    let next = placeOf(cursor);
    for (let more = true; more;) {
      const page = shaped(largePage, await session.get(`/large?page=${next}`, signal));
      for (const { id, text } of page.records)
        yield { key: id, occurredAt: '2026-02-26T10:00:00+08:00', data: { text } };
      ({ next, more } = page);
      yield checkpoint({ v: 1, next });
    }
  },
  logout: async () => undefined,
};

const about = { settleDays: 2, description: 'Of the suite.' } as const;

/** Makes a connector of its functions. */
export function connectorOf(parts: HonestParts): Connector {
  return defineConnector({
    name: parts.name,
    version: parts.version,
    description: 'A connector of the conformance suite.',
    source: 'suite',
    config: parts.config,
    login: (context) => parts.login(context as Context, parts),
    account: (session) => parts.account(session),
    async datasets() {
      const names = parts.names();
      const { spanDays } = parts;
      return {
        [names.steps]: {
          ...about,
          granularity: 'day' as const,
          fetch: (context: FetchContext<HonestSession>) => parts.steps(context, parts),
        },
        [names.readings]: {
          ...about,
          granularity: 'day' as const,
          fetch: (context: FetchContext<HonestSession>) => parts.readings(context, parts),
        },
        [names.notes]: {
          ...about,
          granularity: 'range' as const,
          spanDays,
          fetch: (context: FetchContext<HonestSession>) => parts.notes(context, parts),
        },
        [names.state]: {
          ...about,
          granularity: 'snapshot' as const,
          fetch: (context: FetchContext<HonestSession>) => parts.state(context, parts),
        },
        [names.events]: {
          description: 'Of the suite.',
          granularity: 'cursor' as const,
          fetch: (context: CursorContext<HonestSession>) => parts.events(context, parts),
        },
        [names.large]: {
          description: 'Of the suite.',
          granularity: 'cursor' as const,
          fetch: (context: CursorContext<HonestSession>) => parts.large(context, parts),
        },
      };
    },
    logout: ({ session }) => parts.logout(session),
  });
}
