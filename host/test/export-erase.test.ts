import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { accountRefOf } from '@on-the-way/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen } from '../src/http/server.ts';
import { accountOption } from '../src/cli/account.ts';
import { csvField } from '../src/storage/export.ts';
import { otw, otwHere, temporaryFolder, type Finished } from './otw.ts';
import { createTestHost, type TestHost } from './test-host.ts';

const email = 'runner@example.com';
const ref = accountRefOf(email);
const otherRef = accountRefOf('somebody-else@example.com');
let made: TestHost;
let folder: ReturnType<typeof temporaryFolder>;

const inserted = {
  // Digits that no double holds; they must come out as they went in.
  exact: `{"connector":"garmin_connect","connector_version":"1","account_ref":"${ref}","metric_type":"sleep",
    "metric_date":"2026-01-05","timezone":"Asia/Shanghai","fetched_at":"2026-01-05T09:00:00+08:00",
    "data":{"big":12345678901234567890.10,"text":"a \\"quoted\\", line\\r\\nand 心率"}}`,
  other: `{"connector":"garmin_connect","account_ref":"${otherRef}","metric_type":"sleep"}`,
};

beforeAll(async () => {
  folder = temporaryFolder();
  made = await createTestHost({ metrics: ['heart_rate', 'sleep', 'activities', 'weight'] });
  expect((await made.run()).status).toBe('succeeded');
  await made.query(
    `insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id) values
       ('garmin_connect_health', 'garmin::${ref}::sleep::2026-01-05::exact', '2026-01-05 00:00+08', '${inserted.exact}', 'to be seen', gen_random_uuid()),
       ('garmin_connect_health', 'garmin::${otherRef}::sleep::2026-01-05::x', '2026-01-05 00:00+08', '${inserted.other}', 'h', gen_random_uuid())`,
  );
  await made.query(
    `insert into app.request_audit (request_id, source_id, external_id, received_at, status, message) values
       (gen_random_uuid(), 'garmin_connect_health', 'garmin::${ref}::sleep::2026-01-05::a', now(), 'error', 'taken: garmin::${ref}::sleep'),
       (gen_random_uuid(), 'of ${ref}', null, now(), 'error', null),
       (gen_random_uuid(), null, 'garmin::${ref.toUpperCase()}::sleep', now(), 'error', 'not ${ref.toUpperCase()}'),
       (gen_random_uuid(), 'garmin_connect_health', 'garmin::${otherRef}::sleep::2026-01-05::a', now(), 'ok', null)`,
  );
  await made.query(
    `insert into app.dead_letter (connection, source_id, external_id, occurred_at, payload, payload_hash, error_code, error_message)
     select 'garmin', 's', 'garmin::' || who || '::sleep', 'o', convert_to('{"account_ref":"' || who || '"}', 'UTF8'), 'h', 'conflict', 'm'
     from unnest(array['${ref}', '${otherRef}']) as who`,
  );
  await made.query(
    `insert into app.dead_letter (kind, connection, dataset, from_day, to_day, error_code, error_message)
     values ('slice', 'garmin', 'sleep', '2026-01-05', '2026-01-06', 'bad_data', 'm')`,
  );
  await made.query(
    `insert into app.backfill (connection, from_day, to_day) values ('garmin', '2026-01-01', '2026-01-02')`,
  );
  await made.query(
    `insert into app.dataset_cursor (connection, dataset, cursor, run_id) values ('garmin', 'c', '"of ${ref}"', gen_random_uuid())`,
  );
  await made.query(`insert into app.notification (connection, body) values ('garmin', '{"of":"${ref}"}')`);
  await made.query(
    `insert into app.dataset_frontier (connection, dataset, from_day, to_day, basis)
     values ('garmin', 'c', '2026-01-01', '2026-01-02', 'b')`,
  );
  await made.query(
    `insert into app.annotation (target_type, target_id, label, value)
     select 'signal_event', raw_id, 'l', 'v' from raw.raw_event where external_id like '%::exact'`,
  );
});
afterAll(async () => {
  await made.close();
  folder.remove();
});

function command(args: readonly string[], runner = otwHere): Promise<Finished> {
  return runner(args, {
    env: {
      DATABASE_URL: made.databaseUrl,
      OTW_DATA_DIR: join(folder.path, 'data'),
      GARMIN_EMAIL: email,
      GARMIN_PASSWORD: 'simulated',
    },
    cwd: folder.path,
  });
}

interface Manifest {
  readonly account_ref: string;
  readonly connections: readonly string[];
  readonly files: readonly { name: string; rows: number; bytes: number; sha256: string }[];
}

const said = `source_id, external_id, occurred_at, payload_json::text as payload`;

describe('otw export', () => {
  const out = (): string => join(folder.path, 'copy');

  test('writes every row of the account and of nobody else, with a manifest that is true', async () => {
    const { code, stderr } = await command(['export', '--account', email, '--out', out()], otw);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const manifest = JSON.parse(readFileSync(join(out(), 'manifest.json'), 'utf8')) as Manifest;
    expect(manifest).toMatchObject({ account_ref: ref, connections: ['garmin'] });
    const names = readdirSync(out()).filter((name) => name !== 'manifest.json');
    expect(manifest.files.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    for (const { name, bytes, sha256, rows } of manifest.files) {
      const content = readFileSync(join(out(), name));
      expect([name, content.length, createHash('sha256').update(content).digest('hex')]).toEqual([
        name,
        bytes,
        sha256,
      ]);
      if (name.endsWith('.ndjson')) expect(content.toString().split('\n').length - 1).toBe(rows);
      expect(content.toString()).not.toContain(otherRef);
      expect(statSync(join(out(), name)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(out()).mode & 0o777).toBe(0o700);
    const [count] = await made.query<{ n: number }>(
      `select count(*)::int as n from raw.raw_event where payload_json->>'account_ref' = '${ref}'`,
    );
    expect(manifest.files.find(({ name }) => name === 'raw_event.ndjson')?.rows).toBe(count?.n);
    expect(manifest.files.filter(({ rows }) => rows === 0)).toEqual([]);
  });

  test('keeps every digit and every character, in both formats', () => {
    const line = readFileSync(join(out(), 'raw_event.ndjson'), 'utf8')
      .split('\n')
      .find((each) => each.includes('::exact'));
    expect(line).toContain('12345678901234567890.10');
    expect(line).toContain('"occurred_at":"2026-01-05T00:00:00+08:00"');
    expect(JSON.parse(line ?? '')).toMatchObject({
      payload: { data: { text: 'a "quoted", line\r\nand 心率' } },
    });
    const csv = readFileSync(join(out(), 'raw_event.csv'), 'utf8');
    expect(csv).toContain('""big"": 12345678901234567890.10');
    expect(csv.split('\r\n')[0]).toBe(
      'raw_id,source_id,external_id,occurred_at,payload_json,payload_hash,request_id,ingested_at',
    );
  });

  test('can be posted to another host, which then holds the same', async () => {
    const other = await createTestHost();
    const server = await listen(other.host.app, { host: '127.0.0.1', port: 0 });
    try {
      const response = await fetch(`${server.url}/v1/ingest/events/batch`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: readFileSync(join(out(), 'raw_event.ndjson')),
      });
      expect(response.status).toBe(200);
      const select = `select ${said}, case when payload_hash <> 'to be seen' then payload_hash end as hash
        from raw.raw_event where payload_json->>'account_ref' = '${ref}' order by external_id`;
      const theirs = await other.query<{ hash: string | null; external_id: string }>(select);
      const ours = await made.query(select);
      expect(
        theirs.map((row) => (row.external_id.endsWith('::exact') ? { ...row, hash: null } : row)),
      ).toEqual(ours);
    } finally {
      await server.close();
      await other.close();
    }
  });

  test('says so where nothing is known of the account, and writes nothing', async () => {
    const nowhere = join(folder.path, 'nowhere');
    expect(() => accountOption('export', 'me')).toThrow(/--account: expected/);
    const [unknown, full] = await Promise.all([
      command(['export', '--account', '000000000000', '--out', nowhere]),
      command(['export', '--account', ref, '--out', out()]),
    ]);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringMatching(/found none in this database/) });
    expect(existsSync(nowhere)).toBe(false);
    expect(full).toMatchObject({ code: 2, stderr: expect.stringContaining('files in it') });
  });

  test('a CSV field reads back as what it was', () => {
    const read = (field: string): string | null =>
      field === '' ? null : field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;
    fc.assert(
      fc.property(
        fc.option(fc.string({ unit: fc.constantFrom('a', ',', '"', '\r', '\n', '=', 'é', ' ') })),
        (value) => {
          expect(read(csvField(value))).toBe(value);
        },
      ),
    );
  });
});

describe('otw erase', () => {
  /** Tables in which any of the texts stands, also as bytes. */
  async function tablesWith(texts: readonly string[]): Promise<string[]> {
    const tables = await made.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('raw', 'app') order by 1`,
    );
    const patterns = texts.flatMap((text) => [text, Buffer.from(text).toString('hex')]);
    const found: string[] = [];
    for (const { name } of tables) {
      const where = patterns.map((pattern) => `t::text ilike '%${pattern}%'`).join(' or ');
      const [row] = await made.query<{ n: number }>(
        `select count(*)::int as n from ${name} t where ${where}`,
      );
      if (row && row.n > 0) found.push(name);
    }
    return found;
  }

  test('refuses while a run of the connection is under way, and without a yes', async () => {
    const claim = await made.host.claims.take('garmin', { waitMs: 0 });
    const [busy, unasked] = await Promise.all([
      command(['erase', '--account', email, '--yes']),
      command(['erase', '--account', email]),
    ]);
    await claim?.release();
    expect(busy).toMatchObject({ code: 1, stderr: expect.stringContaining('under way') });
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringMatching(/raw\.raw_event +\d+[^]*--yes/) });
    expect(await tablesWith([ref])).toContain('raw.raw_event');
  });

  test('leaves the account in no table, keeps others, and pauses what would read it again', async () => {
    mkdirSync(join(folder.path, 'data', 'tokens', 'garmin'), { recursive: true });
    const { code, stdout, stderr } = await command(['erase', '--account', email, '--yes', '--json']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const outcome = JSON.parse(stdout) as { deleted: Record<string, number> };
    expect(outcome).toMatchObject({
      account_ref: ref,
      pseudonymised: 3,
      paused: ['garmin'],
      may_remain: expect.arrayContaining([expect.stringMatching(/token files in .*garmin/)]),
    });
    expect(Object.keys(outcome.deleted)).toEqual([
      'app.annotation',
      'raw.raw_event',
      'app.dead_letter',
      'app.dataset_frontier',
      'app.dataset_cursor',
      'app.backfill',
      'app.notification',
      'app.slice_ledger',
      'app.run',
      'app.connector_health',
      'app.connection_state',
      'app.connector_session',
    ]);
    expect(await tablesWith([ref, email])).toEqual([]);
    expect(await tablesWith([otherRef])).toEqual(['app.dead_letter', 'app.request_audit', 'raw.raw_event']);
    const audit = await made.query<{ text: string }>(
      `select concat_ws(' ', source_id, external_id, message) as text from app.request_audit
         where status = 'error' order by 1`,
    );
    const text = audit.map((row) => row.text).join('\n');
    expect(text).toMatch(
      /^garmin::(erased-[0-9a-f]{12})::sleep not \1\ngarmin_connect_health garmin::\1::.* taken: garmin::\1::sleep\nof \1$/,
    );
    const [state] = await made.query(
      `select paused_at is not null as paused, account_ref from app.connection_state`,
    );
    expect(state).toEqual({ paused: true, account_ref: null });
    expect(stdout + stderr).not.toContain(email);
  });

  test('is followed by no run until somebody resumes the connection', async () => {
    await expect(made.run()).rejects.toMatchObject({ message: expect.stringContaining('otw resume garmin') });
    expect(await tablesWith([ref])).toEqual([]);
    expect(await command(['resume', 'garmin', '--json'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"paused_at":null'),
    });
    expect((await made.run()).status).toBe('succeeded');
  });
});
