import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProgram } from '../host/src/cli/program.ts';
import { readDataDirLock } from '../host/src/storage/data-dir-lock.ts';
import { embeddedUrl } from '../host/src/storage/embedded/index.ts';
import { startOtw, temporaryFolder, type Running } from '../host/test/otw.ts';
import { curlExamples, differences, runLines } from './curl-lines.ts';
import { allPages, readPage } from './markdown.ts';

// The demo, as the pages assume it: what a reader has who started the host without any configuration.
const folder = temporaryFolder();
// Some examples carry a key, which the reader has in this variable.
const key = 'the-examples-of-the-documentation-use-this-key';
let host: Running;
let address: string;
let database: Client;

/** The one thing the pages show that no demo has: an event that was refused. */
const setAside = `insert into app.dead_letter (connection, dataset, run_id, plugin_version, source_id, external_id,
  occurred_at, payload, payload_hash, error_code, error_message) values ('garmin', 'sleep', gen_random_uuid(), '0.1.0',
  'garmin_connect_health', 'garmin::example', '2026-02-26T00:00:00+08:00', '{}', 'none', 'conflict', 'taken')`;

beforeAll(async () => {
  host = startOtw(['start'], { env: { OTW_DATA_DIR: folder.path, OTW_API_KEY: key } });
  address = (await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';
  await host.said(/Look around/);
  const directory = join(folder.path, 'demo');
  database = new Client(
    embeddedUrl(join(directory, 'postgres'), readDataDirLock(directory)?.databasePort ?? 0),
  );
  await database.connect();
  await database.query(setAside);
});

afterAll(async () => {
  await database.end();
  host.process.kill('SIGKILL');
  await host.finished;
  folder.remove();
});

const pages = ['docs/http.md', 'docs/runbook.md'].map(readPage);
const examples = pages.flatMap(curlExamples);

test('the pages have examples', () => {
  expect(examples.length).toBeGreaterThan(6);
});

// In order: what one posts another may read.
test.each(examples.map((example) => [`${example.page}:${example.line}`, example] as const))(
  'the lines at %s work, and answer as shown',
  async (_, { command, answer }) => {
    const { code, stdout, stderr } = await runLines(command, { address, env: { OTW_API_KEY: key } });
    expect({ code, stderr, answered: stdout !== '' }).toEqual({ code: 0, stderr: '', answered: true });
    if (answer === undefined) {
      expect(stdout).not.toMatch(/"status":"error"/);
      return;
    }
    expect(differences(JSON.parse(answer), JSON.parse(stdout))).toEqual([]);
  },
);

describe('runbook.md', () => {
  const [, runbook] = pages;
  const sql = runbook?.fences.filter(({ language }) => language === 'sql') ?? [];

  beforeAll(() => database.query('set default_transaction_read_only = on'));

  test.each(sql.map(({ line, text }) => [line, text] as const))(
    'the SQL at line %i runs against the demo, and finds nothing where it must not',
    async (_, text) => {
      const { rows } = await database.query(text);
      if (text.includes('-- expected: nothing')) expect(rows).toEqual([]);
      else expect(rows.length).toBeGreaterThan(0);
    },
  );
});

test('every otw command in a shell fence is one there is, with options it has', () => {
  const { commands } = createProgram('0.0.0', () => undefined);
  const wrong = allPages().flatMap(({ path, fences }) =>
    fences
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => [
        ...text.matchAll(/(?:^|npx |\bexec(?: -\S+)* (?:api|worker|otw) )otw ([a-z][a-z-]*)([^|;\n]*)/gm),
      ])
      .filter(([, name, rest = '']) => {
        const group = commands.find((one) => one.name() === name);
        // A group of commands is told which by the next word.
        const command = group?.commands.find((one) => rest.startsWith(` ${one.name()}`)) ?? group;
        const known = new Set(command?.options.flatMap(({ long, short }) => [long, short]));
        const used = rest.replaceAll(/"[^"]*"|'[^']*'/g, '').match(/(?<= )--?[a-z][a-z-]*/g) ?? [];
        return !command || used.some((option) => !known.has(option) && option !== '--help');
      })
      .map(([line]) => `${path}: ${line}`),
  );
  expect(wrong).toEqual([]);
});

describe('an answer that is shown', () => {
  const shown = { status: 'ok', items: [{ id: 'a', at: null, datasets: { sleep: { ok: 1 } } }] };

  test('may have other values, shorter lists, other names in a map, and null for anything', () => {
    const given = {
      status: 'ok',
      items: [
        { id: 'b', at: '2026', datasets: { hrv: {} } },
        { id: 'c', at: null, datasets: {} },
      ],
    };
    expect(differences(shown, given)).toEqual([]);
  });

  test.each([
    [{ status: 'ok' }, '.items: shown, not given'],
    [{ ...shown, cursor: 1 }, '.cursor: given, not shown'],
    [{ ...shown, status: 1 }, '.status: shown as string, given as number'],
    [{ ...shown, items: [] }, '.items: shown with an item, given empty'],
    [{ ...shown, items: [{ at: null, datasets: {} }] }, '.items[0].id: shown, not given'],
  ])('must have the members and kinds of the one that is given: %j', (given, difference) => {
    expect(differences(shown, given)).toEqual([difference]);
  });
});
