import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addDays, dayAt } from '@on-the-way/sdk';
import { otw, temporaryFolder } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';

// What the commands tell of requests, absences and days that are not whole.
let database: TestDatabase;
let source: ScriptedSource;
let folder: ReturnType<typeof temporaryFolder>;
beforeEach(async () => {
  database = await createMigratedDatabase();
  source = await startScriptedSource();
  folder = temporaryFolder();
  const range = { granularity: 'range', spanDays: 28 };
  const datasets = {
    steps: {},
    hill: range,
    closed: { ...range, notSupported: 'No credential covers it' },
  };
  const config = {
    dataDir: join(folder.path, 'data'),
    timeZone: 'Asia/Shanghai',
    connections: {
      mine: { plugin: scriptedPlugin, config: { origin: source.origin, datasets }, backfillDays: 4 },
    },
  };
  writeFileSync(join(folder.path, 'otw.config.json'), JSON.stringify(config));
  source.answer = (name, window) => {
    if (name === 'hill') return { error: { code: 'not_supported', message: 'No device measures it' } };
    if (window.from === '') return {};
    return {
      records: (everyDay(window).records ?? []).map((record) => ({ ...record, note: 'offloaded' })),
    };
  };
});
afterEach(async () => {
  await source.close();
  await database.drop();
  folder.remove();
});

const run = async (...args: string[]) => {
  const finished = await otw([...args, '--config', join(folder.path, 'otw.config.json')], {
    env: { DATABASE_URL: database.url },
    cwd: folder.path,
  });
  expect(finished.stderr).not.toMatch(/error/i);
  expect(finished.code).toBe(0);
  return finished;
};

test('otw run, runs, datasets and coverage say what was asked and what was not', async () => {
  const today = dayAt(Date.now(), 'Asia/Shanghai');
  const { stdout } = await run('run', 'mine');
  // login, last change, four days of steps, one span of hill.
  expect(stdout).toMatch(/succeeded: 4 new, .*, 7 requests/);
  expect(source.requests()).toHaveLength(7);

  const listed = JSON.parse((await run('runs', '--json')).stdout) as { runs: object[] };
  expect(listed.runs[0]).toMatchObject({ requests: 7, skipped: null });
  expect((await run('runs')).stdout).toMatch(/requests/);
  expect((await run('status')).stdout).toContain(
    'No host is running that reads what is due; otw start starts one.',
  );

  const { datasets } = JSON.parse((await run('datasets', 'mine', '--json')).stdout) as { datasets: object[] };
  expect(datasets).toMatchObject([
    { dataset: 'steps', granularity: 'day', last_outcome: 'ok', last_day: today, absent: null },
    {
      dataset: 'hill',
      granularity: 'range',
      span_days: 28,
      last_outcome: 'not_supported',
      absent: {
        since: addDays(today, -3),
        reason: expect.stringContaining('No device measures it'),
        asked_again_at: expect.stringMatching(/^\d{4}-.*\+08:00$/),
      },
    },
    { dataset: 'closed', last_outcome: null, absent: { reason: 'No credential covers it', since: null } },
  ]);
  expect((await run('datasets', 'mine')).stdout).toMatch(/hill .*not there since .*asked again on/);

  const gaps = await run('coverage', 'mine', '--gaps');
  const lines = gaps.stdout.split('\n').filter((line) => line.includes(`${addDays(today, -3)}..${today}`));
  expect(lines).toEqual([
    expect.stringMatching(/^steps .*incomplete .*offloaded/),
    expect.stringMatching(/^hill .*not supported .*No device measures it/),
    expect.stringMatching(/^closed .*not supported .*No credential covers it/),
  ]);
  expect(gaps.stderr).toMatch(/No gaps beside these: every other day/);
  const shown = JSON.parse((await run('coverage', 'mine', '--gaps', '--json')).stdout) as object;
  expect(shown).toMatchObject({ gaps: [] });
  expect(shown).not.toHaveProperty('datasets');
  const both = [
    'coverage',
    'mine',
    '--gaps',
    '--revisions',
    '--config',
    join(folder.path, 'otw.config.json'),
  ];
  expect(await otw(both, { cwd: folder.path })).toMatchObject({ code: 2 });
});
