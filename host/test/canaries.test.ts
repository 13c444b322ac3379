import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { otwHere, startOtw, temporaryFolder } from './otw.ts';
import { createTestDatabase } from './postgres.ts';

const apiKey = 'canary-api-key-of-the-environment-0123456789';
const sessionKey = randomBytes(32).toString('base64');
const databasePassword = 'canary-database-password';

async function asOwner(statement: string): Promise<void> {
  const client = new pg.Client(inject('postgresUrl'));
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

/** Every row of every table as text, bytes also as the text they are. */
async function everythingStored(url: string): Promise<Map<string, string>> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('raw', 'app')`,
    );
    const stored = new Map<string, string>();
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
      const text = rows.map(({ row }) => row).join('\n');
      const bytes = [...text.matchAll(/\\x([0-9a-f]+)/g)].map(([, hex = '']) =>
        Buffer.from(hex, 'hex').toString('latin1'),
      );
      stored.set(name, [text, ...bytes].join('\n'));
    }
    return stored;
  } finally {
    await client.end();
  }
}

/** Asks for everything, well and badly; resolves with all that was answered. */
async function askAround(origin: string): Promise<string> {
  const good = { authorization: `Bearer ${apiKey}` };
  const json = { ...good, 'content-type': 'application/json' };
  const bad: RequestInit[] = [
    { method: 'POST', headers: json, body: '{"payload": "canary-in-a-broken-body' },
    {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ source_id: 'x', password: 'canary-in-a-field' }),
    },
    { method: 'POST', headers: { ...good, 'content-type': 'canary/type' }, body: 'canary-in-a-body' },
    {
      method: 'POST',
      headers: { authorization: 'Bearer otw_canary-of-a-key-that-is-unknown-0123456789' },
      body: '{}',
    },
    { method: 'POST', headers: { authorization: `Basic ${Buffer.from('me:canary').toString('base64')}` } },
  ];
  const asked = [
    ...bad.map((init) => fetch(`${origin}/v1/ingest/connector-health`, init)),
    ...[
      'connections',
      'connections/indiscreet/coverage',
      'runs',
      'dead-letters',
      'raw-events',
      'health/connector',
    ].map((path) => fetch(`${origin}/v1/${path}`, { headers: good })),
    fetch(`${origin}/v1/runs?token=canary-in-a-query`, { headers: good }),
    fetch(`${origin}/v1/connections/indiscreet/check`, { method: 'POST', headers: good }),
    fetch(`${origin}/metrics`, { headers: good }),
    fetch(`${origin}/openapi.json`, { headers: good }),
  ];
  const answers = await Promise.all(asked);
  return (await Promise.all(answers.map((answer) => answer.text()))).join('\n');
}

/** Follows the events of a run of the host to its end; resolves with their text. */
async function watchRun(origin: string): Promise<string> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const stop = new AbortController();
  const { body } = await fetch(`${origin}/v1/events`, { headers, signal: stop.signal });
  const begin = async (): Promise<number> =>
    (await fetch(`${origin}/v1/connections/indiscreet/run`, { method: 'POST', headers })).status;
  // The one before is told as finished a moment before it has let go.
  await expect.poll(begin, { timeout: 20_000 }).toBe(202);
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes('event: run:finished')) break;
  }
  stop.abort();
  return text;
}

test('no secret stands in what the host says, answers, tells or stores, whatever goes wrong', async () => {
  const folder = temporaryFolder();
  const database = await createTestDatabase();
  const role = `canary_${randomBytes(4).toString('hex')}`;
  await asOwner(`create role ${role} login superuser password '${databasePassword}'`);
  const url = new URL(database.url);
  url.username = role;
  url.password = databasePassword;
  const plugin = join(import.meta.dirname, 'fixtures', 'indiscreet.ts');
  const indiscreet = {
    plugin,
    config: { password: 'canary password & more' },
    backfillDays: 1,
    windowDays: 1,
    every: '1d',
    policies: { attempts: 1 },
  };
  writeFileSync(
    join(folder.path, 'otw.config.json'),
    JSON.stringify({ dataDir: 'data', connections: { indiscreet } }),
    { mode: 0o600 },
  );
  const env = {
    DATABASE_URL: url.href,
    OTW_API_KEY: apiKey,
    OTW_SESSION_KEY: sessionKey,
    OTW_REQUIRE_API_KEY: 'true',
    OTW_LOG_LEVEL: 'debug',
  };
  const options = { env, cwd: folder.path };
  const said: string[] = [];
  const command = async (
    args: readonly string[],
    more: Record<string, string> = {},
  ): Promise<number | null> => {
    const { code, stdout, stderr } = await otwHere(args, { ...options, env: { ...env, ...more } });
    said.push(stdout, stderr);
    return code;
  };
  const host = startOtw(['start'], options);
  try {
    const [, origin = ''] = await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/);
    await host.said(/"msg":"run finished"/);
    const events = await watchRun(origin);
    const answers = await askAround(origin);
    const away = new URL(url);
    away.port = '9';
    const codes = await Promise.all([
      command(['run', '--verbose']),
      command(['check', '--api', origin]),
      command(['dead-letters', '--json']),
      command(['doctor'], { API_PORT: new URL(origin).port }),
      command(['query', 'selec 1']),
      command(['status'], { DATABASE_URL: away.href }),
    ]);
    expect(codes.slice(0, 3)).toEqual([3, 4, 0]);
    expect(codes.at(-1)).toBe(69);
    // A host of a database from outside holds no data directory; its door tells of it.
    expect(said.join('\n')).toContain(`port: the host is serving on ${origin}`);
    host.process.kill('SIGTERM');
    const { stdout, stderr } = await host.finished;

    // Else nothing was tried: the secrets did pass.
    expect(stderr).toMatch(/signed in with \[redacted\]/);
    expect(events).toMatch(/event: run:finished/);
    const told = { said: said.join('\n'), log: stdout + stderr, events, answers };
    const stored = await everythingStored(database.url);
    expect(stored.get('app.dead_letter')).toContain('u0000');
    expect(stored.get('app.slice_ledger')).toContain('[redacted]');
    for (const [where, text] of [...Object.entries(told), ...stored]) {
      const found = text.split('\n').filter((line) => line.includes('canary') || line.includes(sessionKey));
      expect([where, found]).toEqual([where, []]);
    }
  } finally {
    host.process.kill('SIGKILL');
    await host.finished;
    await database.drop();
    await asOwner(`drop role ${role}`);
    folder.remove();
  }
});
