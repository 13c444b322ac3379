import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import knex from 'knex';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { keysCommand } from '../src/cli/keys.ts';
import type { HttpConfig } from '../src/config/host-config.ts';
import { apiErrorOf } from '../src/http/api-error.ts';
import type { Route } from '../src/http/route.ts';
import { listen, type ApiServer } from '../src/http/server.ts';
import { createLog } from '../src/log.ts';
import { createRedactor } from '../src/redact.ts';
import type { KeyScope } from '../src/storage/api-keys.ts';
import { otw, startOtw, temporaryFolder } from './otw.ts';
import { createTestDatabase } from './postgres.ts';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

// Who may ask what. Several doors over one database: each is a host of its own with other settings.
const clock = fakeClock('2026-02-26T12:00:00+08:00');
const envKey = 'a-key-of-the-environment-that-is-long-enough';

interface Door {
  readonly made: TestHost;
  readonly server: ApiServer;
}

let open: Door;
let keyed: Door;
let behindProxy: Door;
const doors: Door[] = [];

async function door(http: Partial<HttpConfig>, databaseUrl?: string): Promise<Door> {
  const made = await createTestHost({ clock, http, ...(databaseUrl !== undefined && { databaseUrl }) });
  const server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  doors.push({ made, server });
  return { made, server };
}

/** Keys by what is wrong with them. */
const keys: Record<'admin' | 'read' | 'ingest' | 'expired' | 'revoked' | 'unknown', string> = {
  admin: '',
  read: '',
  ingest: '',
  expired: '',
  revoked: '',
  unknown: `otw_${randomBytes(32).toString('base64url')}`,
};

beforeAll(async () => {
  open = await door({ corsOrigins: ['https://dashboard.example.com'], allowedHosts: ['otw.example.com'] });
  const { databaseUrl } = open.made;
  keyed = await door({ requireKey: true, apiKey: envKey, ingestPerMinute: 3 }, databaseUrl);
  behindProxy = await door({ requireKey: true, trustedProxies: ['127.0.0.1'] }, databaseUrl);
  const { apiKeys } = open.made.host;
  const make = async (scope: KeyScope, expiresAt?: Date): Promise<string> =>
    (await apiKeys.create({ name: scope, scopes: [scope], ...(expiresAt && { expiresAt }) })).text;
  for (const scope of ['admin', 'read', 'ingest'] as const) keys[scope] = await make(scope);
  // Not yet by the database's clock, but by the host's.
  keys.expired = await make('admin', new Date(Date.now() + 3_600_000));
  clock.advance({ days: 3650 });
  keys.revoked = await make('admin');
  await apiKeys.revoke(keys.revoked.slice(0, 12));
});

afterAll(async () => {
  for (const { server } of doors) await server.close();
  // The first one owns the database.
  for (const { made } of doors.toReversed()) await made.close();
});

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

interface Asking {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly body?: string;
}

async function ask(
  { server }: Door,
  path: string,
  { key, headers = {}, ...rest }: Asking = {},
): Promise<Asked> {
  const response = await fetch(server.url + path, {
    ...rest,
    headers: { ...headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

/** Bytes as they are, and everything that comes back. */
function send({ server }: Door, bytes: string): Promise<string> {
  const { port, hostname } = new URL(server.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes, 'latin1'));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}

/** The status alone; an answer that goes on for ever is left. */
async function statusOf(
  { server }: Door,
  path: string,
  { key, headers, method }: { key: string | undefined; headers: Record<string, string>; method: string },
): Promise<number> {
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(server.url + path, { method, headers: { ...headers, ...authorization } });
  await response.body?.cancel();
  return response.status;
}

/** Every text in every table. */
async function everythingStored({ made }: Door): Promise<string> {
  const tables = await made.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_schema in ('app', 'raw') and table_type = 'BASE TABLE'`,
  );
  const texts = tables.map(async ({ name }) => {
    const rows = await made.query<{ text: string }>(
      `select coalesce(string_agg(to_jsonb(t)::text, E'\\n'), '') as text from ${name} t`,
    );
    return rows[0]?.text ?? '';
  });
  return (await Promise.all(texts)).join('\n');
}

const statusesIn = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

/** The same address for none of the rows, so that the limit of failures does not come in between. */
let client = 0;
const fromElsewhere = (): Record<string, string> => {
  client += 1;
  return { 'x-forwarded-for': `203.0.113.${Math.floor(client / 20) + 1}` };
};

describe('every route', () => {
  const pathOf = (path: string): string =>
    path.replaceAll('{name}', 'nowhere').replaceAll(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000');

  /** What each key must get; undefined where the answer is the route's own affair. */
  function expectations(scope: Route['scope']): [name: string, key: string | undefined, status?: number][] {
    const bad = ['unknown', 'expired', 'revoked'] as const;
    const refused = scope === 'open' ? 200 : 401;
    const held = ['read', 'ingest', 'admin'] as const;
    return [
      ['no key', undefined, refused],
      ['no key of ours', 'hunter2', refused],
      ...bad.map((name): [string, string, number] => [name, keys[name], refused]),
      ...held.map((name): [string, string, number?] => {
        const fits = scope === 'open' || name === scope || name === 'admin';
        return fits ? [name, keys[name]] : [name, keys[name], 403];
      }),
    ];
  }

  test('but health/live asks for a key, and takes neither a bad one nor one of another scope', async () => {
    const routes = behindProxy.made.host.app.locals['routes'] as readonly Route[];
    expect(routes.filter(({ scope }) => scope === 'open').map(({ path }) => path)).toEqual([
      '/v1/health/live',
    ]);
    const wrong: string[] = [];
    for (const { method, path, scope } of routes) {
      const asked = expectations(scope).map(async ([name, key, status]) => {
        const answer = await statusOf(behindProxy, pathOf(path), { method, key, headers: fromElsewhere() });
        const isRight = status === undefined ? ![401, 403, 421, 429].includes(answer) : answer === status;
        if (!isRight) wrong.push(`${method} ${path} with ${name}: ${answer}, not ${status ?? 'an answer'}`);
      });
      await Promise.all(asked);
    }
    expect(wrong).toEqual([]);
  });
});

describe('keys', () => {
  test('the one of OTW_API_KEY opens everything, and stands in no table', async () => {
    expect(await ask(keyed, '/v1/runs', { key: envKey })).toMatchObject({ status: 200 });
    expect(await everythingStored(keyed)).not.toContain(envKey);
  });

  test('are in no row of the database, but for their first twelve characters', async () => {
    await ask(keyed, '/v1/runs', { key: keys.read });
    const stored = await everythingStored(keyed);
    for (const key of Object.values(keys)) expect(stored).not.toContain(key.slice(12));
    expect(stored).toContain(keys.read.slice(0, 12));
  });

  test.each(['Basic dXNlcjpwYXNz', 'Bearer', 'Bearer a b', 'otw_x', ''])(
    'are taken as bearer tokens only, not as %j',
    async (authorization) => {
      const answer = await ask(behindProxy, '/v1/runs', { headers: { authorization, ...fromElsewhere() } });
      expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    },
  );

  test('are not looked for in the address', async () => {
    const path = `/v1/runs?key=${keys.admin}&access_token=${keys.admin}`;
    expect(await ask(behindProxy, path, { headers: fromElsewhere() })).toMatchObject({ status: 401 });
  });

  test('that are shown must be good, also where none is needed', async () => {
    expect(await ask(open, '/v1/runs')).toMatchObject({ status: 200 });
    expect(await ask(open, '/v1/runs', { key: keys.unknown })).toMatchObject({ status: 401 });
    expect(await ask(open, '/v1/runs', { key: keys.ingest })).toMatchObject({ status: 403 });
  });

  test('note when they were used', async () => {
    const { text, key } = await keyed.made.host.apiKeys.create({ name: 'used', scopes: ['read'] });
    expect(key.lastUsedAt).toBeNull();
    expect(await ask(keyed, '/v1/runs', { key: text })).toMatchObject({ status: 200 });
    await vi.waitFor(async () => {
      const found = (await keyed.made.host.apiKeys.list()).find(({ keyId }) => keyId === key.keyId);
      expect(found?.lastUsedAt).toBeInstanceOf(Date);
    });
  });

  test('work as soon as they are made, and no longer than ten seconds after they are revoked', async () => {
    const { apiKeys } = keyed.made.host;
    const { text, key } = await apiKeys.create({ name: 'short', scopes: ['read'] });
    expect(await ask(keyed, '/v1/runs', { key: text })).toMatchObject({ status: 200 });
    expect(await apiKeys.revoke(key.keyId)).toMatchObject({ revokedAt: expect.any(Date) });
    const revokedAt = performance.now();
    await vi.waitFor(
      async () => expect(await ask(keyed, '/v1/runs', { key: text })).toMatchObject({ status: 401 }),
      { timeout: 10_000, interval: 500 },
    );
    expect(performance.now() - revokedAt).toBeLessThan(10_000);
  }, 20_000);

  test('that are refused are logged with address, first characters and request id, and no more of them', async () => {
    const before = behindProxy.made.lines.length;
    const from = { 'x-forwarded-for': '198.51.100.7' };
    const { body } = await ask(behindProxy, '/v1/runs', { key: keys.revoked, headers: from });
    const forbidden = await ask(behindProxy, '/v1/runs', { key: keys.ingest, headers: from });
    await ask(behindProxy, '/v1/runs', { key: 'hunter2-hunter2-hunter2', headers: from });
    const lines = behindProxy.made.lines.slice(before).map((line) => JSON.parse(line) as object);
    const ip = '198.51.100.7';
    expect(lines).toMatchObject([
      { status: 401, ip, key_prefix: keys.revoked.slice(0, 12), request_id: body['request_id'] },
      { status: 403, ip, key_prefix: keys.ingest.slice(0, 12), request_id: forbidden.body['request_id'] },
      { status: 401, ip, key_prefix: 'malformed' },
    ]);
    const text = behindProxy.made.lines.join('');
    for (const key of Object.values(keys)) expect(text).not.toContain(key.slice(12));
    expect(text).not.toContain('hunter2');
  });
});

describe('a path that is not served', () => {
  test.each(['GET', 'OPTIONS', 'PUT', 'PATCH'])('is 404 for %s, and 401 without a key', async (method) => {
    const headers = fromElsewhere();
    const served = { status: 404, body: { code: 'NOT_FOUND', request_id: expect.any(String) } };
    expect(await ask(behindProxy, '/admin', { method, key: keys.read, headers })).toMatchObject(served);
    expect(await ask(behindProxy, '/admin', { method, headers })).toMatchObject({ status: 401 });
    expect(await ask(open, '/v1/runs', { method: method === 'GET' ? 'DELETE' : method })).toMatchObject(
      served,
    );
  });

  test.each(['TRACE / HTTP/1.1', 'PROPFIND / HTTP/1.1'])('%s is 404 in our shape', async (line) => {
    expect(await send(open, `${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 404 [^]*"NOT_FOUND"/,
    );
  });
});

describe('limits', () => {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
  const path = '/v1/ingest/manual-signal';

  test('of ingest hold for one key, and leave others and other routes alone', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 3; n += 1)
      statuses.push((await ask(keyed, path, { ...post, key: keys.ingest })).status);
    expect(statuses).not.toContain(429);
    const over = await ask(keyed, path, { ...post, key: keys.ingest });
    expect(over).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
    // What is refused for being too much is not written down either.
    const audited = `select 1 from app.request_audit where request_id = '${over.headers.get('x-request-id')}'`;
    expect(await keyed.made.query(audited)).toEqual([]);
    expect((await ask(keyed, path, { ...post, key: keys.admin })).status).not.toBe(429);
    expect(await ask(keyed, '/v1/runs', { key: keys.read })).toMatchObject({ status: 200 });
  });

  test('of refusals hold for one address; others, and good keys, are left alone', async () => {
    const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } });
    const statuses: number[] = [];
    for (let n = 0; n < 32; n += 1) {
      statuses.push((await ask(behindProxy, '/v1/runs', { key: keys.unknown, ...from('192.0.2.1') })).status);
    }
    expect(statuses.slice(0, 30)).toEqual(Array(30).fill(401));
    expect(statuses.slice(30)).toEqual([429, 429]);
    const other = await ask(behindProxy, '/v1/runs', { key: keys.unknown, ...from('192.0.2.2') });
    expect(other).toMatchObject({ status: 401 });
    const good = await ask(behindProxy, '/v1/runs', { key: keys.read, ...from('192.0.2.1') });
    expect(good).toMatchObject({ status: 200 });
  });

  test('of refusals count those for want of a scope too', async () => {
    const asked = { key: keys.ingest, headers: { 'x-forwarded-for': '192.0.2.3' } };
    const statuses: number[] = [];
    const before = behindProxy.made.lines.length;
    for (let n = 0; n < 32; n += 1) statuses.push((await ask(behindProxy, '/v1/runs', asked)).status);
    expect(statuses).toEqual([...Array<number>(30).fill(403), 429, 429]);
    expect(behindProxy.made.lines.length - before).toBe(30);
  });

  test('take the address of the proxy where it says one that is none', async () => {
    for (const said of ['nobody', '1.2.3', '192.0.2.1, a b']) {
      const before = behindProxy.made.lines.length;
      await ask(behindProxy, '/v1/runs', { headers: { 'x-forwarded-for': said } });
      expect(JSON.parse(behindProxy.made.lines[before] ?? '{}')).toMatchObject({ ip: '127.0.0.1' });
    }
  });

  test('of the pool of the database are told as too much, not as a database that is away', async () => {
    const database = knex({
      client: 'pg',
      connection: keyed.made.databaseUrl,
      pool: { min: 0, max: 1 },
      acquireConnectionTimeout: 300,
    });
    const held = await database.transaction();
    const refused = apiErrorOf(await database.raw('select 1').catch((error: unknown) => error));
    expect(refused).toMatchObject({ status: 503, code: 'OVERLOADED', retryAfterSeconds: 1 });
    await held.rollback();
    await database.destroy();
  });

  test('do not believe X-Forwarded-For of somebody who is no proxy of ours', async () => {
    const before = keyed.made.lines.length;
    await ask(keyed, '/v1/runs', { headers: { 'x-forwarded-for': '192.0.2.9' } });
    expect(JSON.parse(keyed.made.lines[before] ?? '{}')).toMatchObject({
      ip: '127.0.0.1',
      key_prefix: 'none',
    });
  });
});

describe('a page of another site', () => {
  const change = '/v1/connections/nowhere/pause';

  test.each([
    'evil.test',
    'localhost.evil.test',
    '127.0.0.1.evil.test',
    '192.168.1.1',
    '[::2]',
    'a b',
    '@localhost',
  ])('is not led to this host by the name %s', async (name) => {
    const answer = await send(open, `GET /v1/runs HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 (421|400) /);
  });

  test.each([
    'localhost',
    'LOCALHOST:80',
    '127.8.9.1',
    '[::1]:8000',
    'otw.example.com',
    'otw.example.com:443',
  ])('may not be told apart from a program of this machine by the name %s', async (name) => {
    const answer = await send(open, `GET /v1/runs HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
    expect(statusesIn(answer)).toEqual([200]);
  });

  test.each([
    { origin: 'https://evil.test' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://dashboard.example.com.evil.test', 'sec-fetch-site': 'cross-site' },
  ])('changes nothing: %j', async (headers) => {
    const form = { ...headers, 'content-type': 'text/plain' };
    expect(await ask(open, change, { method: 'POST', headers: form })).toMatchObject({
      status: 403,
      body: { code: 'FORBIDDEN' },
    });
  });

  test('of an origin that is allowed, of our own, or with a key does', async () => {
    const origin = 'https://dashboard.example.com';
    const served = [
      await ask(open, change, { method: 'POST', headers: { origin, 'sec-fetch-site': 'cross-site' } }),
      await ask(open, change, { method: 'POST', headers: { origin: open.server.url } }),
      await ask(open, change, { method: 'POST', headers: { origin: 'https://evil.test' }, key: keys.admin }),
    ];
    expect(served.map(({ status }) => status)).toEqual([404, 404, 404]);
  });

  test.each(['https://evil.test', 'https://dashboard.example.com:8443', 'null'])(
    'of the origin %s is told nothing that would let it read',
    async (origin) => {
      for (const method of ['OPTIONS', 'GET']) {
        const { headers } = await ask(open, '/v1/runs', { method, headers: { origin } });
        expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
      const { headers } = await ask(keyed, '/v1/runs', { method: 'OPTIONS', headers: { origin } });
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    },
  );

  test('of an origin that is allowed may read, without credentials of the browser', async () => {
    const origin = 'https://dashboard.example.com';
    const preflight = await ask(open, '/v1/runs', { method: 'OPTIONS', headers: { origin } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization');
    const { headers } = await ask(open, '/v1/runs', { headers: { origin } });
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.has('access-control-allow-credentials')).toBe(false);
    expect(headers.get('vary')).toBe('Origin');
  });
});

test('every answer has the headers that keep browsers from harm', async () => {
  const expected = {
    'cache-control': 'no-store',
    'content-security-policy':
      "default-src 'self';base-uri 'none';form-action 'self';frame-ancestors 'none';object-src 'none'",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-request-id': expect.stringMatching(/^[\da-f-]{36}$/),
  };
  for (const path of ['/v1/health/live', '/v1/runs', '/nothing']) {
    const { headers } = await ask(open, path);
    expect(Object.fromEntries(headers)).toMatchObject(expected);
    expect(headers.has('strict-transport-security')).toBe(false);
    expect(headers.has('x-powered-by')).toBe(false);
  }
  const malformed = await send(open, 'GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n');
  expect(malformed).toMatch(/^HTTP\/1\.1 400 /);
  for (const [name, value] of Object.entries(expected))
    if (typeof value === 'string')
      expect(malformed.toLowerCase()).toContain(`${name}: ${value}`.toLowerCase());
  const tls = { 'x-forwarded-proto': 'https' };
  const behind = await ask(behindProxy, '/v1/health/live', { headers: tls });
  expect(behind.headers.get('strict-transport-security')).toBe('max-age=31536000');
  const claimed = await ask(open, '/v1/health/live', { headers: tls });
  expect(claimed.headers.has('strict-transport-security')).toBe(false);
});

test.each(['limit=1&limit=2', 'limit[]=1', 'limit[a]=1', 'limit=1&Limit=1', '__proto__=1'])(
  'the query %s is refused, whatever it repeats or nests',
  async (query) => {
    expect(await ask(open, `/v1/runs?${query}`)).toMatchObject({
      status: 422,
      body: { code: 'INVALID_ARGUMENT' },
    });
  },
);

test('names with line breaks and colours in them stay within one line of the log', async () => {
  const before = behindProxy.made.lines.length;
  const nasty = encodeURIComponent('a\n{"level":50,"msg":"forged"}\u001b[31m\u2028\r');
  const path = `/v1/connections/${nasty}`;
  await ask(behindProxy, path, { headers: fromElsewhere() });
  const lines = behindProxy.made.lines.slice(before);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ path });
  const shown: string[] = [];
  const write = (text: string) => shown.push(text);
  const log = createLog({ redactor: createRedactor(), level: 'info', pretty: true, write });
  log.info({ id: decodeURIComponent(nasty) }, 'told to a person');
  expect(
    shown
      .join('')
      .trim()
      .split(/[\n\r\u2028]/)
      .filter((line) => line !== '\u001b[K'),
  ).toHaveLength(1);
  expect(shown.join('')).not.toContain('\u001b[31m{');
});

describe('what HTTP itself asks for', () => {
  const get = (lines: string, target = '/v1/runs') =>
    `GET ${target} HTTP/1.1\r\n${lines}\r\nConnection: close\r\n\r\n`;
  const post = (lines: string) =>
    `POST /v1/ingest/manual-signal HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${lines}\r\n`;

  test.each([
    ['an expectation nobody has', 417, get('Host: localhost\r\nExpect: foo')],
    ['another beside the one there is', 417, get('Host: localhost\r\nExpect: foo, 100-continue')],
    ['two Host headers', 400, get('Host: 127.0.0.1\r\nHost: evil.test')],
    ['two Host headers that say the same', 400, get('Host: localhost\r\nhost: localhost')],
    ['a target elsewhere', 421, get('Host: localhost', 'http://evil.test/v1/runs')],
    ['a target with a user', 421, get('Host: localhost', 'http://localhost@evil.test/v1/runs')],
    ['a body too long to be asked for', 413, post('Expect: 100-continue\r\nContent-Length: 9999999\r\n')],
  ])('%s is %i, in our shape', async (_, status, bytes) => {
    const answer = await send(open, bytes);
    expect(statusesIn(answer)).toEqual([status]);
    expect(answer).toMatch(/^X-Request-Id: /im);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('a target of our own is served, whatever the Host header says', async () => {
    const target = 'http://127.0.0.1:1/v1/runs';
    expect(statusesIn(await send(open, get('Host: evil.test', target)))).toEqual([200]);
  });

  test('a body is asked for when it is wanted, and read then', async () => {
    const answer = await send(
      open,
      `${post('Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n')}{}`,
    );
    expect(statusesIn(answer)).toEqual([100, 422]);
  });

  test('a client that has shut its side is answered, and streams end with it', async () => {
    const shut = (bytes: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = '';
        const socket = connect(Number(new URL(open.server.url).port), '127.0.0.1', () => socket.end(bytes));
        socket.on('data', (chunk: Buffer) => (answer += chunk.toString())).on('error', reject);
        socket.on('close', () => resolve(answer));
      });
    const body = '{"source_id":"ios_manual"}';
    const bytes = `${post(`Content-Length: ${body.length}\r\n`)}${body}`;
    expect(statusesIn(await shut(bytes))).toEqual([422]);
    expect(statusesIn(await shut(bytes.replaceAll('localhost', 'evil.test')))).toEqual([421]);
    const events = 'GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n';
    expect(statusesIn(await shut(events))).toEqual([200]);
    // Half a body is no request.
    expect(statusesIn(await shut(bytes.slice(0, -1)))).toEqual([400]);
  });
});

describe('a request that could be read in two ways', () => {
  const post =
    'POST /v1/ingest/manual-signal HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const hidden = 'GET /v1/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n';
  let calls = 0;
  let counted: Door;

  beforeAll(async () => {
    const { made } = open;
    const count: RequestListener = (request, response) => {
      calls += 1;
      made.host.app(request, response);
    };
    counted = { made, server: await listen(count, { host: '127.0.0.1', port: 0 }) };
  });
  afterAll(() => counted.server.close());

  test.each([
    ['both lengths', `${post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}${hidden}`],
    ['two lengths in one', `${post}Content-Length: 2, 40\r\n\r\n{}${hidden}`],
    ['a space before the colon', `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['an unknown coding', `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['a coding behind chunked', `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`],
    ['a length below zero', `${post}Content-Length: -1\r\n\r\n${hidden}`],
    ['a length with a sign', `${post}Content-Length: +2\r\n\r\n{}${hidden}`],
    ['a length in hex', `${post}Content-Length: 0x2\r\n\r\n{}${hidden}`],
    ['a bad chunk size', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${hidden}`],
    ['a line break without return', `POST / HTTP/1.1\nHost: localhost\n\n${hidden}`],
    ['a folded header', `${post}X-A: 1\r\n Content-Length: 2\r\n\r\n${hidden}`],
    ['a NUL in a header', `${post}X-A: \u0000\r\n\r\n${hidden}`],
    ['no Host', 'GET /v1/runs HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['an unknown version', 'GET / HTTP/3.0\r\nHost: localhost\r\n\r\n'],
    ['another protocol', '\u0016\u0003\u0001\u0000\u0000'],
    ['CONNECT', 'CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['20 KB of headers', `${post}X-Large: ${'a'.repeat(20_000)}\r\n\r\n`],
  ])('is refused, and handled at most once: %s', async (_, bytes) => {
    calls = 0;
    const answer = await send(counted, bytes);
    const statuses = statusesIn(answer);
    expect(statuses.length).toBe(1);
    expect([400, 431]).toContain(statuses[0]);
    const body: unknown = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
    expect(body).toMatchObject({ status: 'error', code: 'INVALID_ARGUMENT', request_id: expect.any(String) });
    expect(calls).toBeLessThanOrEqual(1);
  });

  test('does not keep one behind it from being answered when it is sound', async () => {
    calls = 0;
    const last = hidden.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
    expect(statusesIn(await send(counted, hidden + hidden + last))).toEqual([200, 200, 200]);
    expect(calls).toBe(3);
  });
});

describe('otw', () => {
  const folder = temporaryFolder();
  let env: Record<string, string>;
  beforeAll(() => {
    env = { OTW_DATA_DIR: folder.path, DATABASE_URL: open.made.databaseUrl };
  });
  afterAll(() => folder.remove());

  test('keys makes a key that is shown once, lists it without its text, and revokes it', async () => {
    const args = ['keys', 'create', '--name', 'phone', '--scope', 'ingest,read', '--expires', '90d'];
    const made = await otw(args, { env });
    const key = made.stdout.trim();
    expect({ code: made.code, key }).toEqual({ code: 0, key: expect.stringMatching(/^otw_[\w-]{43}$/) });
    expect(made.stderr).toMatch(/shown once/);
    const listed = await otw(['keys', 'list', '--json'], { env });
    expect(listed.stdout).not.toContain(key.slice(12));
    const found = (JSON.parse(listed.stdout) as { keys: { name: string }[] }).keys.filter(
      ({ name }) => name === 'phone',
    );
    expect(found).toMatchObject([{ prefix: key.slice(0, 12), scopes: ['ingest', 'read'], state: 'usable' }]);
    const revoked = await otw(['keys', 'revoke', key.slice(0, 12), '--json'], { env });
    expect(JSON.parse(revoked.stdout)).toMatchObject({ state: 'revoked' });
  });

  test.each([
    ['create', { scope: 'read' }, /--name/],
    ['create', { name: 'x' }, /--scope/],
    ['create', { name: 'x', scope: 'read,write' }, /--scope/],
    ['create', { name: 'x', scope: 'read', expires: 'soon' }, /--expires/],
    ['revoke', {}, /Expected the id/],
    ['forget', {}, /Expected create, list or revoke/],
  ])('keys %s with %j says what is expected, before anything is opened', async (action, options, message) => {
    await expect(async () => keysCommand(action, undefined, options)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(message),
    });
  });

  test('start refuses to let others in where there is no key, and says how to make one', async () => {
    const { url, drop } = await createTestDatabase();
    try {
      const bare = { ...env, DATABASE_URL: url };
      const { code, stderr } = await otw(['start', '--host', '0.0.0.0'], { env: bare });
      expect(code).toBe(78);
      expect(stderr).toMatch(/^OTW_HOST: expected an API key .*otw keys create .*OTW_API_KEY$/m);
      const host = startOtw(['start'], { env: { ...bare, OTW_HOST: '0.0.0.0', OTW_API_KEY: envKey } });
      try {
        const [, port] = await host.said(/serving on http:\/\/0\.0\.0\.0:(\d+)/);
        const look = async (path: string, headers = {}): Promise<number> =>
          (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status;
        expect(await look('/v1/health/live')).toBe(200);
        expect(await look('/v1/health/ready')).toBe(401);
        expect(await look('/v1/health/ready', { authorization: `Bearer ${envKey}` })).toBe(200);
        expect(host.stderr()).not.toContain(envKey);
      } finally {
        host.process.kill('SIGTERM');
        await host.finished;
      }
    } finally {
      await drop();
    }
  });
});
