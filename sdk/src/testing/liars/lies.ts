import { z } from 'zod';
import { checkpoint, type Checkpoint } from '../../checkpoint.ts';
import { ConnectorError } from '../../errors.ts';
import type { JsonValue } from '../../json.ts';
import { addDays, daysOf, formatStartOfDay, startOfDay, type Day } from '../../windows.ts';
import {
  eventsPage,
  honestConfig,
  honestParts,
  largePage,
  newYork,
  readings,
  shaped,
  signIn,
  type HonestParts,
  type HonestSession,
} from './honest-parts.ts';
import type { ConnectorRecord, CursorRecord, FetchContext } from '../../connector.ts';

type Access = HonestSession['access'];

/** What a connector puts in the place of an honest function. */
type Lie = (honest: HonestParts) => Partial<HonestParts>;

const { shape } = honestConfig;
// What a module keeps outlives a session: the trouble with it.
let calls = 0;
let lastToken: Access | undefined;
const gate = { pausedUntil: 0 };
const keptNotes = new Map<string, readonly ConnectorRecord[]>();
const keptEvents = new Map<string, readonly (CursorRecord | Checkpoint)[]>();

/** A schema described by hand whose refusals name nothing. */
const nameless = z
  .any()
  .superRefine((value: unknown, context) => {
    if (!honestConfig.safeParse(value).success) context.addIssue({ code: 'custom', message: 'invalid' });
  })
  .meta({
    type: 'object',
    required: ['origin', 'user', 'password'],
    properties: { origin: { type: 'string' }, user: { type: 'string' }, password: { type: 'string' } },
  });

async function* allSteps(context: FetchContext<HonestSession>): AsyncGenerator<ConnectorRecord> {
  yield* honestParts.steps(context, honestParts);
}

/** The next day by adding 24 hours to its beginning, as a clock without changes would. */
function dayByHours(day: Day, count: number): Day {
  return new Intl.DateTimeFormat('en-CA', { timeZone: newYork }).format(
    startOfDay(day, newYork) + count * 86_400_000,
  );
}

/** Reads every page before the first record is given. */
async function pagesAtOnce(session: HonestSession, count: number, signal: AbortSignal) {
  const paths = Array.from({ length: count }, (_, page) => `/large?page=${page}`);
  return Promise.all(paths.map(async (path) => shaped(largePage, await session.get(path, signal))));
}

/** Access from a refresh token, saved nowhere and whoever else renews it. */
async function newAccess({ context, access }: HonestSession, parts: HonestParts): Promise<Access> {
  const init = { method: 'POST', body: JSON.stringify({ refresh: access.refresh }) };
  const { status, body } = await parts.send(context, { path: '/token', init, signal: context.signal });
  return status === 200
    ? (parts.parse(body) as unknown as Access)
    : { access: 'none', refresh: access.refresh };
}

/** Access that is used before it is saved. */
async function usedBeforeSaved(session: HonestSession, _: string, parts: HonestParts): Promise<Access> {
  const { signal, tokens } = session.context;
  const renewed = await newAccess(session, parts);
  const headers = { authorization: `Bearer ${renewed.access}` };
  await parts.send(session.context, { path: '/me', init: { headers }, signal });
  await tokens.save('session', { ...renewed });
  return renewed;
}

const renewing = new WeakMap<HonestSession, Promise<Access>>();
const ownSessions = new WeakMap<HonestSession, Promise<HonestSession>>();

/** One renewal at a time, of this session and no other of the account. */
async function renewAlone(session: HonestSession, refused: string, parts: HonestParts): Promise<Access> {
  if (session.access.access !== refused) return session.access;
  const running = renewing.get(session) ?? newAccess(session, parts);
  renewing.set(session, running);
  return running.finally(() => renewing.delete(session));
}

/** The session that a dataset keeps for itself. */
function ownSession(session: HonestSession, parts: HonestParts): Promise<HonestSession> {
  const own = ownSessions.get(session) ?? parts.login(session.context, parts);
  ownSessions.set(session, own);
  return own;
}

/** Notes, and what is done where they fail. */
function notesFailing(onError: (error: unknown, context: FetchContext<HonestSession>) => void) {
  return async function* notes(context: FetchContext<HonestSession>): AsyncGenerator<ConnectorRecord> {
    try {
      yield* honestParts.notes(context, honestParts);
    } catch (error) {
      context.signal.throwIfAborted();
      onError(error, context);
    }
  };
}

/** Connectors that break one promise each, by the promise's number and what they do. */
export const lies: Readonly<Record<string, Lie>> = {
  '1 a configuration that JSON cannot hold': () => ({
    config: z.strictObject({ ...shape, since: z.date().optional() }),
  }),
  '2 a refusal that names no key': () => ({ config: nameless }),
  '3 an optional key that is wanted all the same': () => ({
    config: z
      .strictObject({ ...shape, timeoutMs: z.number().optional() })
      .refine(({ timeoutMs }) => timeoutMs !== undefined, 'timeoutMs is missing'),
  }),
  '4 a password that is not marked': () => ({ config: z.strictObject({ ...shape, password: z.string() }) }),
  '4 a token of an account within that is not marked': () => ({
    config: z.strictObject({
      ...shape,
      accounts: z.record(z.string(), z.array(z.strictObject({ refreshToken: z.string() }))).optional(),
    }),
  }),
  '5 a dataset that was published and is gone': () => ({}),
  '6 a version that is none': () => ({ version: 'latest' }),
  '7 good credentials that are refused': () => ({
    login: async () => {
      throw new ConnectorError('auth', 'Expected credentials, got none that are liked');
    },
  }),
  '8 a crash where credentials are refused': () => ({
    signIn: (context, parts) =>
      signIn(context, parts).catch(() => {
        throw new TypeError('Cannot read properties of undefined');
      }),
  }),
  '9 the network’s own error where the source is away': (honest) => ({
    async send(context, request) {
      context.countRequest();
      const response = await fetch(context.config.origin + request.path, request.init);
      return { ...(await honest.send(context, request)), status: response.status };
    },
  }),
  '10 a request that waits for ever': () => ({
    async send({ config, countRequest }, { path, init, signal }) {
      countRequest();
      const response = await fetch(config.origin + path, { ...init, signal });
      return { status: response.status, headers: response.headers, body: await response.text() };
    },
  }),
  '11 a password in print': (honest) => ({
    login: (context, parts) => {
      process.stdout.write(`signing in with ${JSON.stringify(context.config)}\n`);
      return honest.login(context, parts);
    },
  }),
  '11 a token in an error': () => ({
    errorOf: (status, path) =>
      new ConnectorError('transient', `Expected ${path} for ${lastToken?.access}, got ${status}`),
    login: async (context, parts) => {
      const session = await honestParts.login(context, parts);
      lastToken = session.access;
      return session;
    },
  }),
  '11 a password in a record': () => ({
    async *steps({ session, window }) {
      yield { day: window.from, data: { by: session.context.config.password } };
    },
  }),
  '11 renewed tokens in the log': (honest) => ({
    async renew(session, refused, parts) {
      const renewed = await honest.renew(session, refused, parts);
      session.context.log.info('renewed', { renewed });
      return renewed;
    },
  }),
  '11 a password in a record of another dataset': () => ({
    async *state({ session, window }) {
      yield { day: window.from, data: { by: session.context.config.password } };
    },
  }),
  '11 a password in the log where another dataset fails': () => ({
    notes: notesFailing((error, { log, session }) => {
      log.warn('no notes', { config: session.context.config });
      throw error;
    }),
  }),
  '11 a password in basic authentication in the log': (honest) => ({
    login: (context, parts) => {
      const { user, password } = context.config;
      context.log.info(`Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
      return honest.login(context, parts);
    },
  }),
  '11 the password of a proxy, which is not marked, in an error': (honest) => ({
    config: z.strictObject({ ...shape, proxy: z.strictObject({ password: z.string() }).optional() }),
    send: (context, request) =>
      honest.send(context, request).catch((cause: unknown) => {
        throw new ConnectorError('transient', `Expected a way by ${JSON.stringify(context.config)}`, {
          cause,
        });
      }),
  }),
  '12 a name that changes': (honest) => ({
    names: () => ({ ...honest.names(), steps: `steps-${(calls += 1)}` }),
  }),
  '13 a dataset that cannot be read': () => ({
    async *notes() {
      yield* [];
      throw new ConnectorError('source', 'Expected notes, got none today');
    },
  }),
  '14 a span that is too long for the source': () => ({
    async *notes(context, parts) {
      const { from, to } = context.window;
      const cut = addDays(from, 3);
      yield* honestParts.notes({ ...context, window: { from, to: cut < to ? cut : to } }, parts);
    },
  }),
  '15 a dataset that never says anything': () => ({
    async *steps() {
      yield* [];
    },
  }),
  '16 a record that comes twice': () => ({
    async *steps(context) {
      for await (const record of allSteps(context)) {
        yield record;
        yield record;
      }
    },
  }),
  '17 a record of the day before': () => ({
    async *steps(context) {
      for await (const record of allSteps(context)) yield { ...record, day: addDays(record.day, -1) };
    },
  }),
  '17 a cursor that reads everything again': () => ({
    events: (context, parts) => honestParts.events({ ...context, cursor: undefined }, parts),
  }),
  '18 a sum over the window': () => ({
    async *notes(context, parts) {
      const records = await Array.fromAsync(honestParts.notes(context, parts));
      for (const { day } of records) yield { day, data: { of: records.length } };
    },
  }),
  '19 the time of asking in the data': () => ({
    async *steps(context) {
      for await (const { day } of allSteps(context)) yield { day, data: { asked: (calls += 1) } };
    },
  }),
  '19 the time of asking as the time it happened': () => ({
    async *events(context, parts) {
      for await (const said of honestParts.events(context, parts))
        yield 'key' in said
          ? { ...said, occurredAt: new Date(Date.UTC(2026, 1, 26, 0, 0, (calls += 1))).toISOString() }
          : said;
    },
  }),
  '19 the hour of asking in the data': () => ({
    async *steps(context) {
      const retrieved = new Date().toISOString().slice(0, 13);
      for await (const { day, data } of allSteps(context))
        yield { day, data: { ...(data as Readonly<Record<string, JsonValue>>), retrieved } };
    },
  }),
  '19 the days since then in the data': () => ({
    async *notes(context, parts) {
      const now = performance.timeOrigin + performance.now();
      for await (const { day } of honestParts.notes(context, parts))
        yield { day, data: { ageDays: Math.floor((now - Date.parse(day)) / 86_400_000) } };
    },
  }),
  '20 nothing taken for an answer for the days ahead': () => ({
    async *steps(context) {
      const { window } = context;
      yield* allSteps(context);
      const ahead = (day: Day): number => Date.parse(day) - Date.now();
      for (const day of daysOf(window))
        if (ahead(day) > 86_400_000 && ahead(day) < 30 * 86_400_000) yield { day, data: { steps: 0 } };
    },
  }),
  '20 an answer for a day to come': () => ({
    async *steps({ window }) {
      yield { day: window.from, data: { steps: 1 } };
    },
  }),
  '21 silence about what the source no longer keeps': (honest) => ({
    async *steps(context, parts) {
      try {
        yield* honest.steps(context, parts);
      } catch (error) {
        if (!ConnectorError.is(error) || error.code !== 'out_of_range') throw error;
      }
    },
  }),
  '22 days made of 24 hours': () => ({
    async *notes({ session, window: { from, to }, signal }) {
      await session.get('/state', signal);
      const count = daysOf({ from, to }).length;
      for (let index = 0; index < count; index += 1) {
        const day = dayByHours(from, index);
        if (day <= '2027') yield { day, data: { begins: formatStartOfDay(day, newYork) } };
      }
    },
  }),
  '22 days read from the clock of the machine': () => ({
    async *notes(context, parts) {
      for await (const { day, data } of honestParts.notes(context, parts)) {
        const midnight = new Date(day);
        const parts = [midnight.getFullYear(), midnight.getMonth() + 1, midnight.getDate()];
        yield { day: parts.map((part) => String(part).padStart(2, '0')).join('-'), data };
      }
    },
  }),
  '22 instants without a zone taken for the machine’s': () => ({
    async *events(context, parts) {
      for await (const said of honestParts.events(context, parts))
        yield 'key' in said
          ? { ...said, occurredAt: new Date(String(said.occurredAt).slice(0, 19)).toISOString() }
          : said;
    },
  }),
  '22 a day of instants that is 24 hours long': () => ({
    async *readings({ session, window, signal }) {
      for (const day of daysOf(window)) {
        const begins = startOfDay(day, newYork);
        const [from, to] = [begins, begins + 86_400_000].map((at) => new Date(at).toISOString());
        const answer = shaped(readings, await session.get(`/readings?from=${from}&to=${to}`, signal));
        for (const { at, value } of answer) yield { day, occurredAt: at, data: { value } };
      }
    },
  }),
  '23 a key with the process in it': () => ({
    async *events(context, parts) {
      for await (const said of honestParts.events(context, parts))
        yield 'key' in said ? { ...said, key: `${said.key}-${process.pid}` } : said;
    },
  }),
  '24 a cursor that is a Date': () => ({
    async *events(context, parts) {
      for await (const said of honestParts.events({ ...context, cursor: undefined }, parts))
        yield 'key' in said ? said : checkpoint(new Date(0) as unknown as JsonValue);
    },
  }),
  '25 a cursor it does not know taken for the end': (honest) => ({
    async *events(context, parts) {
      try {
        yield* honest.events(context, parts);
      } catch (error) {
        if (!ConnectorError.is(error) || error.code !== 'config') throw error;
      }
    },
  }),
  '26 a checkpoint before its records': () => ({
    async *events({ session, cursor, signal }) {
      let next = (cursor as { next: number } | undefined)?.next ?? 0;
      for (let more = true; more;) {
        const page = shaped(eventsPage, await session.get(`/events?after=${next}`, signal));
        ({ next, more } = page);
        yield checkpoint({ v: 1, next });
        for (const { id, at } of page.events) yield { key: id, occurredAt: at, data: { id } };
      }
    },
  }),
  '24 a cursor dataset that never says where it is': () => ({
    async *events(context, parts) {
      for await (const said of honestParts.events({ ...context, cursor: undefined }, parts))
        if ('key' in said) yield said;
    },
  }),
  '25 a cursor it does not know taken for the middle': (honest) => ({
    events: (context, parts) => {
      const next = (context.cursor as { readonly next?: unknown } | null | undefined)?.next;
      const isKnown = context.cursor === undefined || typeof next === 'number';
      return honest.events({ ...context, cursor: isKnown ? context.cursor : { v: 1, next: 8 } }, parts);
    },
  }),
  '26 pages asked for at once, each with its checkpoint as it ends': () => ({
    async *events({ session, cursor, signal }) {
      const from = (cursor as { readonly next: number } | undefined)?.next ?? 0;
      const pages = [from, from + 4, from + 8].map(async (after) =>
        shaped(eventsPage, await session.get(`/events?after=${after}`, signal)),
      );
      const waiting = new Map(pages.map((page, index) => [index, page.then((value) => ({ index, value }))]));
      while (waiting.size > 0) {
        const { index, value } = await Promise.race(waiting.values());
        waiting.delete(index);
        for (const { id, at } of value.events) yield { key: id, occurredAt: at, data: { id } };
        yield checkpoint({ v: 1, next: value.next });
      }
    },
  }),
  '27 a server that is down called a refusal': (honest) => ({
    errorOf: (status, path, headers) =>
      status >= 500
        ? new ConnectorError('source', `Expected ${path}, got ${status}`)
        : honest.errorOf(status, path, headers),
  }),
  '27 a pause that is not passed on': () => ({
    errorOf: (status, path) => honestParts.errorOf(status, path, new Headers()),
  }),
  '27 failures of another dataset taken for days without data': () => ({
    notes: notesFailing(() => undefined),
  }),
  '27 another dataset without a time-out': () => ({
    async *notes(context, parts) {
      const { context: given } = context.session;
      const config = { ...given.config, timeoutMs: 600_000 };
      const session = await parts.login({ ...given, config, signal: context.signal }, parts);
      yield* honestParts.notes({ ...context, session }, parts);
    },
  }),
  '28 a text that is thrown': () => ({
    parse: (body) => {
      if (body.startsWith('<')) throw 'no JSON' as unknown as Error;
      return honestParts.parse(body);
    },
  }),
  '28 a rejection nobody waits for': (honest) => ({
    errorOf: (status, path, headers) => {
      void Promise.reject(new Error('Nobody waits for this'));
      return honest.errorOf(status, path, headers);
    },
  }),
  '28 a text that another dataset throws': () => ({
    notes: notesFailing(() => {
      throw 'no notes' as unknown as Error;
    }),
  }),
  '29 an abort that is not heard': (honest) => ({
    send: (context, { path, init = {} }) =>
      honest.send(
        { ...context, config: { ...context.config, timeoutMs: 8000 } },
        { path, init, signal: new AbortController().signal },
      ),
  }),
  '29 an abort that another dataset does not hear': () => ({
    notes: (context, parts) => honestParts.notes({ ...context, signal: new AbortController().signal }, parts),
  }),
  '30 a timer that another dataset leaves': () => ({
    async *notes(context, parts) {
      setInterval(() => (calls += 1), 1000);
      yield* honestParts.notes(context, parts);
    },
  }),
  '30 a timer that is left': () => ({
    login: async (context, parts) => {
      setInterval(() => (calls += 1), 1000);
      return honestParts.login(context, parts);
    },
  }),
  '31 a renewal for each call': () => ({
    renew: (session, _, parts) => newAccess(session, parts),
  }),
  '31 a renewal for each dataset': () => ({
    renew: renewAlone,
    async *notes(context, parts) {
      const session = await ownSession(context.session, parts);
      yield* honestParts.notes({ ...context, session }, parts);
    },
  }),
  '32 a token that is used before it is saved': () => ({ renew: usedBeforeSaved }),
  '32 a token that another dataset uses before it is saved': () => ({
    async *notes(context, parts) {
      const session = await parts.login(context.session.context, { ...parts, renew: usedBeforeSaved });
      yield* honestParts.notes({ ...context, session }, parts);
    },
  }),
  '32 a save that nobody waits for': () => ({
    async renew(session, _, parts) {
      const renewed = await newAccess(session, parts);
      void session.context.tokens.save('session', { ...renewed });
      return renewed;
    },
  }),
  '32 a refresh token that is not saved': (honest) => ({
    async renew(session, refused, parts) {
      const { refresh } = session.access;
      const renewed = await honest.renew(session, refused, parts);
      await session.context.tokens.save('session', { ...renewed, refresh });
      return renewed;
    },
  }),
  '33 a login that waits for a person who is not there': (honest) => ({
    errorOf: (status, path, headers) => {
      const error = honest.errorOf(status, path, headers);
      return status === 403 ? new ConnectorError('transient', error.message) : error;
    },
  }),
  '33 a login that never ends': () => ({
    signIn: (context, parts) => signIn(context, parts).catch(() => new Promise<never>(() => undefined)),
  }),
  '34 answers kept by their window, whoever asked': (honest) => ({
    async *notes(context, parts) {
      const place = `${context.window.from} ${context.window.to}`;
      const kept = keptNotes.get(place) ?? (await Array.fromAsync(honest.notes(context, parts)));
      keptNotes.set(place, kept);
      yield* kept;
    },
  }),
  '34 pages of a cursor dataset kept by their place, whoever asked': (honest) => ({
    async *events(context, parts) {
      const place = JSON.stringify(context.cursor ?? null);
      const kept = keptEvents.get(place) ?? (await Array.fromAsync(honest.events(context, parts)));
      keptEvents.set(place, kept);
      yield* kept;
    },
  }),
  '34 a token in a variable of the module': () => ({
    login: async (context, parts) => {
      const session = await honestParts.login(context, parts);
      lastToken ??= session.access;
      const shared = lastToken;
      return {
        ...session,
        get: (path, signal) =>
          parts
            .send(context, { path, init: { headers: { authorization: `Bearer ${shared.access}` } }, signal })
            .then(({ body }) => (body.includes('no access') ? null : parts.parse(body))),
      };
    },
  }),
  '35 requests that are not counted': (honest) => ({
    send: (context, request) => honest.send({ ...context, countRequest: () => undefined }, request),
  }),
  '35 a budget’s end that is taken for a fault of the source': (honest) => ({
    send: (context, request) =>
      honest.send(context, request).catch((cause: unknown) => {
        throw ConnectorError.is(cause)
          ? cause
          : new ConnectorError('transient', 'Expected an answer', { cause });
      }),
  }),
  '36 a 429 that is tried again at once': (honest) => ({
    async send(context, request) {
      const answer = await honest.send(context, request);
      return answer.status === 429 ? honest.send(context, request) : answer;
    },
  }),
  '36 a pause that holds for every account': (honest) => ({
    async send(context, request) {
      if (Date.now() < gate.pausedUntil)
        throw new ConnectorError('rate_limited', 'Expected no pause, got one', { retryAfterMs: 1000 });
      const answer = await honest.send(context, request);
      if (answer.status === 429) gate.pausedUntil = Date.now() + 60_000;
      return answer;
    },
  }),
  '37 everything held before the first record': () => ({
    async *large({ session, signal }) {
      const held: { id: string; text: string }[] = [];
      for (let next = 0, more = true; more;) {
        const page = shaped(largePage, await session.get(`/large?page=${next}`, signal));
        held.push(...page.records);
        ({ next, more } = page);
      }
      for (const { id, text } of held) yield { key: id, data: { text } };
    },
  }),
  '38 every page asked for before it is wanted': () => ({
    async *large({ session, signal }) {
      const first = shaped(largePage, await session.get('/large?page=0', signal));
      const pages = first.more ? pagesAtOnce(session, 32, signal) : Promise.resolve([first]);
      pages.catch(() => undefined);
      for (const { id, text } of first.records) yield { key: id, data: { text } };
      for (const { records } of await pages)
        for (const { id, text } of records) yield { key: id, data: { text } };
    },
  }),
};
