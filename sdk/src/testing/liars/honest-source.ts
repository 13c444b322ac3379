import { addDays, countDays, dayAt, daysOf, type Day } from '../../windows.ts';
import type { Reply, TestRequest, TestServer } from '../server.ts';
import type { LargeSource, OpenSource } from '../subject.ts';

/** Days the source has something for. */
export const honestWindow = { from: '2026-02-24', to: '2026-03-02' };
/** The first day it keeps. */
export const oldest = '2020-01-01';

const eventCount = 11;
const pageSize = 4;

interface Account {
  readonly user: string;
  readonly password: string;
  generation: number;
  isExpired: boolean;
  /** Instants of readings beside the usual ones, in milliseconds. */
  readonly readings: number[];
}

function tokensOf({ user, generation }: Account): { readonly access: string; readonly refresh: string } {
  return { access: `access-of-${user}-${generation}`, refresh: `refresh-of-${user}-${generation}` };
}

const json = (value: unknown, status = 200): Reply => ({ status, json: value });
const today = (): Day => new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10);

function stepsOf(day: Day, user: string): unknown {
  if (day < oldest) return json({ error: 'too old' }, 410);
  return day > today()
    ? json(null)
    : json({ steps: 5000 + (countDays('2020-01-01', day) % 97) * 10 + user.charCodeAt(user.length - 1) });
}

function notesOf(from: Day, to: Day, user: string): Reply {
  if (from < oldest) return json({ error: 'too old' }, 410);
  const days = daysOf({ from, to }).filter((day) => day <= today() && countDays('2020-01-01', day) % 2 === 0);
  return json(days.map((day) => ({ day, text: `A note of ${user} on ${day}` })));
}

/** One reading at noon UTC, and what was put there, of the time between two instants. */
function readingsOf({ readings }: Account, from: number, to: number): Reply {
  if (from < Date.parse(oldest)) return json({ error: 'too old' }, 410);
  const noons = daysOf({ from: dayAt(from, 'UTC'), to: addDays(dayAt(to, 'UTC'), 1) })
    .filter((day) => day <= today())
    .map((day) => Date.parse(`${day}T12:00:00Z`));
  const found = [...noons, ...readings].filter((at) => at >= from && at < to);
  return json(found.map((at, index) => ({ at: new Date(at).toISOString(), value: index })));
}

function eventsAfter(after: number, user: string): Reply {
  const events = Array.from({ length: eventCount }, (_, index) => index + 1)
    .filter((id) => id > after)
    .slice(0, pageSize)
    .map((id) => ({ id: `event-${id}`, of: user, at: `${addDays('2026-02-20', id)}T10:00:00+08:00` }));
  const next = after + events.length;
  return json({ events, next, more: next < eventCount });
}

/** A page of a megabyte; texts are made once, so that the source costs less than what reads it. */
const filler = 'x'.repeat(64 * 1024);

function largePage(page: number, megabytes: number): Reply {
  const records = Array.from(
    { length: 16 },
    (_, index) => `{"id":"${page}-${index}","text":"${megabytes > 1 ? filler : 'small'}"}`,
  );
  return {
    headers: { 'content-type': 'application/json' },
    text: `{"records":[${records.join()}],"next":${page + 1},"more":${page + 1 < megabytes}}`,
  };
}

function signIn(account: Account, body: string): Reply {
  const { user, password } = JSON.parse(body) as { user: string; password: string };
  if (password === 'needs-a-code') return json({ error: 'code wanted' }, 403);
  if (user !== account.user || password !== account.password) return json({ error: 'refused' }, 401);
  account.isExpired = false;
  return json(tokensOf(account));
}

function renew(account: Account, body: string): Reply {
  const { refresh } = JSON.parse(body) as { refresh: string };
  if (refresh !== tokensOf(account).refresh) return json({ error: 'invalid_grant' }, 400);
  account.generation += 1;
  account.isExpired = false;
  return json(tokensOf(account));
}

function answerTo(
  account: Account,
  { path, query, headers, body }: TestRequest,
  megabytes: number,
): Reply | undefined {
  if (path === '/sign-in') return signIn(account, body);
  if (path === '/token') return renew(account, body);
  const isGood = !account.isExpired && headers['authorization'] === `Bearer ${tokensOf(account).access}`;
  if (!isGood) return json({ error: 'no access' }, 401);
  const of = (name: string): string => query.get(name) ?? '';
  if (path === '/me') return json({ user: account.user });
  if (path === '/steps') return stepsOf(of('day'), account.user) as Reply;
  if (path === '/notes') return notesOf(of('from'), of('to'), account.user);
  if (path === '/readings') return readingsOf(account, Date.parse(of('from')), Date.parse(of('to')));
  if (path === '/state') return json({ battery: 80 });
  if (path === '/events') return eventsAfter(Number(of('after')), account.user);
  if (path === '/large') return largePage(Number(of('page')), megabytes);
  return undefined;
}

const isSignIn = ({ path }: TestRequest): boolean => path === '/sign-in' || path === '/token';

/** Puts the suite's own source behind the server. */
export function openHonest(server: TestServer, person: 1 | 2, megabytes = 1): OpenSource {
  const user = `person-${person}`;
  const account: Account = {
    user,
    password: `password-of-${user}`,
    generation: 1,
    isExpired: false,
    readings: [],
  };
  server.answer = (request) => answerTo(account, request, megabytes);
  const config = { origin: server.origin, user, password: account.password, timeoutMs: 2000 };
  return {
    config,
    tokens: { session: tokensOf(account) },
    refused: { config: { ...config, password: 'not-the-password' } },
    needsUser: { config: { ...config, password: 'needs-a-code' } },
    isSignIn,
    renewal: {
      expire: () => void (account.isExpired = true),
      matches: ({ path }) => path === '/token',
    },
    put: {
      readings: (instants) => void account.readings.push(...instants.map((at) => Date.parse(at))),
    },
  };
}

/** The same with so many megabytes in the dataset `large`. */
export function openHonestLarge(server: TestServer, megabytes: number): LargeSource {
  return { ...openHonest(server, 1, megabytes), dataset: 'large' };
}
