import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPolicies } from '@on-the-way/core';
import { startGarminSimulator } from '@on-the-way/garmin-simulator';
import { addDays, countDays, type RecordedAnswer, type Window } from '@on-the-way/sdk';
import { afterEach, expect, test } from 'vitest';
import { recordDatasets, type RecordingOutcome } from '../src/record-datasets.ts';
import { createRecordingFolder } from '../src/recording-folder.ts';
import { otw, startOtw, temporaryFolder } from './otw.ts';
import { createMigratedDatabase } from './postgres.ts';
import { createTestHost, type TestHost, type TestHostOptions } from './test-host.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

async function host(options: TestHostOptions = {}): Promise<TestHost> {
  const made = await createTestHost(options);
  undo.push(() => made.close());
  return made;
}

function folder(): string {
  const made = temporaryFolder();
  undo.push(() => made.remove());
  return made.path;
}

interface IndexEntry {
  readonly file: string;
  readonly metric_type: string;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly status: number;
}

const indexOf = (out: string): IndexEntry[] =>
  JSON.parse(readFileSync(join(out, 'index.json'), 'utf8')) as IndexEntry[];

function textsIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inside = join(path, entry.name);
    return entry.isDirectory() ? textsIn(inside) : [readFileSync(inside, 'utf8')];
  });
}

/** Records as the command does. */
async function record(
  { host: { service, bus }, connection }: TestHost,
  out: string,
  window: Window,
): Promise<RecordingOutcome> {
  const recording = createRecordingFolder(out);
  const { signal } = new AbortController();
  const clock = { now: () => Date.now() };
  const policies = createPolicies(connection.policies, { connection: 'garmin', bus, clock });
  const today = addDays(window.to, -1);
  const outcome = await service.withRecording(
    connection,
    { signal, record: (answer: RecordedAnswer) => recording.add(answer) },
    (connector) => recordDatasets(connector, { window, today, policies, signal }),
  );
  recording.finish('A recording.\n');
  return outcome;
}

const canaries = {
  fullName: 'Zofia Kowalska',
  userName: 'zofia.kowalska@example.com',
  note: 'meet me at the bakery',
  serial: '3XF019283',
  latitude: 50.061_947,
};

function plant({ simulator }: TestHost): void {
  const { fullName, userName, note, serial, latitude } = canaries;
  const inRows = (more: object) => (rows: readonly object[]) => rows.map((row) => ({ ...row, ...more }));
  simulator.edit('/userprofile-service/socialProfile', (body: object) => ({ ...body, fullName, userName }));
  simulator.edit(
    /search\/activities/,
    inRows({ activityName: note, startLatitude: latitude, ownerFullName: fullName }),
  );
  simulator.edit(
    /deviceregistration\/devices/,
    inRows({ serialNumber: serial, displayName: `${fullName}’s watch` }),
  );
  simulator.edit(/filterGear/, inRows({ displayName: note }));
  simulator.edit(/dailySleepData/, (body: object) => ({
    ...body,
    remarks: note,
    list: [{ owner: userName }],
  }));
}

interface Row {
  readonly dataset: string;
  readonly day: string;
  readonly data: unknown;
}

const rowsOf = (made: TestHost): Promise<Row[]> =>
  made.query<Row>(
    `select payload_json->>'metric_type' as dataset, payload_json->>'metric_date' as day, payload_json->'data' as data
     from raw.raw_event order by 1, 2`,
  );

const today = '2031-03-20';
const window: Window = { from: '2031-03-17', to: '2031-03-21' };
const now = (): number => Date.parse(`${today}T22:00:00+08:00`);
const features = { hrv: true, menstrual: true };
const snapshots = [
  'pregnancy',
  'workouts',
  'training_plans',
  'devices',
  'gear',
  'goals',
  'badges',
  'challenges',
];

test(
  'some days of all datasets are recorded without the person, and replayed it gives the same records on other days',
  { timeout: 240_000 },
  async () => {
    const original = await host({ clock: { now }, simulator: { features } });
    plant(original);
    const out = join(folder(), 'recording');
    expect(await record(original, out, window)).toMatchObject({ failures: [] });
    const { profileId, email } = await originalPerson(original);

    const texts = [...textsIn(out), JSON.stringify(readdirSync(out))].join('\n');
    const told = [
      ...Object.values(canaries).map(String),
      'Kowalska',
      String(profileId),
      email,
      '2031-03',
      'Shanghai',
    ];
    expect(told.filter((canary) => texts.includes(canary))).toEqual([]);

    const stress = indexOf(out).find(({ path }) => path.includes('/dailyStress/'));
    const days = countDays(window.from, stress?.path.split('/').at(-1) ?? '');
    expect(Math.abs(days % 7)).toBe(0);
    const shifted = { from: addDays(window.from, days), to: addDays(window.to, days) };
    const last = addDays(today, days);
    const replayed = await host({
      clock: { now: () => Date.parse(`${last}T22:00:00+08:00`) },
      simulator: { recordings: out },
    });
    // The profile that was recorded is the account now.
    expect((await original.run({ only: window })).status).toBe('succeeded');
    expect((await replayed.run({ only: shifted })).status).toBe('succeeded');

    const before = await rowsOf(original);
    const after = await rowsOf(replayed);
    const places = (rows: readonly Row[], by: number) =>
      rows.map(({ dataset, day }) => `${dataset} ${addDays(day, by)}`);
    expect(places(after, 0)).toEqual(places(before, days));
    expect(new Set(before.map(({ dataset }) => dataset)).size).toBeGreaterThan(25);
    expect(before.filter(({ dataset }) => snapshots.includes(dataset)).length).toBeGreaterThan(5);
    expect(shapesOf(after)).toEqual(shapesOf(before));
    const answers = indexOf(out).map(({ file }) => parsed(readFileSync(join(out, file), 'utf8')));
    for (const { dataset, data } of after)
      if (wholeAnswers.includes(dataset)) expect(answers).toContainEqual(data);
  },
);

/** Datasets whose data is the answer as it came. */
const wholeAnswers = [
  'user_summary',
  'sleep',
  'heart_rate',
  'stress',
  'respiration',
  'spo2',
  'hrv',
  'training_status',
];

const parsed = (text: string): unknown => (text === '' ? null : (JSON.parse(text) as unknown));

async function originalPerson({ simulator }: TestHost): Promise<{ profileId: number; email: string }> {
  const { access_token: token } = simulator.issueTokens();
  const answer = await fetch(`${simulator.origin}/userprofile-service/socialProfile`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { profileId } = (await answer.json()) as { profileId: number };
  return { profileId, email: 'runner@example.com' };
}

/** What a redaction leaves as it is: members, lengths, and every number that is no id and no time. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value === 'object' && value !== null) {
    const names = Object.keys(value).filter((name) => !/^\d/.test(name));
    return {
      names,
      members: Object.entries(value).map(([name, member]) => (isPersonal(name) ? 0 : shapeOf(member))),
    };
  }
  if (typeof value === 'string') return 'text';
  return typeof value === 'number' && Math.abs(value) >= 1_000_000 ? 'large' : value;
}

const isPersonal = (name: string): boolean => /lat|lon|zone|players|connections|polyline/i.test(name);
const shapesOf = (rows: readonly Row[]) =>
  rows.map(({ dataset, data }) => ({ dataset, data: shapeOf(data) }));

test('a question of GraphQL is recorded and replayed like any other', async () => {
  const asSummaries = (made: TestHost): TestHost => {
    const config = { ...made.connection.config, intraday: false };
    return { ...made, connection: { ...made.connection, config } };
  };
  const metrics = ['training_readiness'];
  const original = asSummaries(await host({ clock: { now }, metrics }));
  const out = join(folder(), 'recording');
  expect(await record(original, out, window)).toMatchObject({ failures: [], notSupported: [] });
  const question = indexOf(out).find(({ method }) => method === 'POST');
  const from = /startDate:"([^"]+)"/.exec(question?.query['query'] ?? '')?.[1] ?? '';
  const days = countDays(window.from, from);
  const replayed = asSummaries(await host({ clock: { now }, metrics, simulator: { recordings: out } }));
  const read = async (made: TestHost, only: Window) => {
    await made.run({ only }, { config: made.connection.config });
    return rowsOf(made);
  };
  const before = await read(original, window);
  const after = await read(replayed, { from, to: addDays(window.to, days) });
  expect(before.length).toBeGreaterThan(0);
  expect(after.map(({ day }) => day)).toEqual(before.map(({ day }) => addDays(day, days)));
});

test('one dataset that fails is reported, and the others are recorded', async () => {
  const made = await host({ clock: { now }, metrics: ['heart_rate', 'stress', 'sleep'] });
  made.simulator.answer(/dailyStress/, { status: 500 });
  const out = join(folder(), 'recording');
  const { failures, stoppedBy } = await record(made, out, { from: '2031-03-19', to: '2031-03-21' });
  expect(failures.map(({ dataset }) => dataset)).toEqual(['stress', 'stress']);
  expect(stoppedBy).toBeUndefined();
  const recorded = indexOf(out).map(({ metric_type: name }) => name);
  expect(new Set(recorded)).toEqual(new Set(['login', 'heart_rate', 'sleep']));
  expect(indexOf(out).every(({ file }) => existsSync(join(out, file)))).toBe(true);
});

test('a source that asks for a pause ends the recording, and what came before is kept', async () => {
  const made = await host({ clock: { now }, metrics: ['heart_rate', 'stress'] });
  made.simulator.answer(/dailyStress/, { status: 429, headers: { 'retry-after': '7200' } });
  const { stoppedBy } = await record(made, join(folder(), 'recording'), {
    from: '2031-03-19',
    to: '2031-03-21',
  });
  expect(stoppedBy).toMatchObject({ dataset: 'stress', code: 'rate_limited', retryAfterMs: 7_200_000 });
  expect(made.simulator.requests.filter(({ path }) => path.includes('dailyStress'))).toHaveLength(1);
});

test('while a recording is made no run may begin, and nothing is stored', async () => {
  const made = await host({ clock: { now }, metrics: ['heart_rate'] });
  const { signal } = new AbortController();
  await made.host.service.withRecording(made.connection, { signal, record: () => undefined }, async () => {
    await expect(made.run()).rejects.toMatchObject({ code: 'already_running' });
    return {};
  });
  await record(made, join(folder(), 'recording'), window);
  expect(await made.query('select 1 from raw.raw_event union all select 1 from app.slice_ledger')).toEqual(
    [],
  );
  expect((await made.run()).status).toBe('succeeded');
});

test('a folder with anything in it is refused, and a recording that is given up leaves nothing', () => {
  const parent = folder();
  const full = join(parent, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'mine.txt'), 'mine');
  expect(() => createRecordingFolder(full)).toThrow(/^--out: expected a folder that is empty/);
  expect(() => createRecordingFolder(join(full, 'mine.txt'))).toThrow(/^--out: expected a folder/);
  const recording = createRecordingFolder(join(parent, 'new'));
  recording.add({ path: '/a', query: {}, status: 200, body: {} });
  recording.discard();
  expect(readdirSync(parent)).toEqual(['full']);
});

test('names that a connector gives are no way out of the folder', () => {
  const parent = folder();
  const recording = createRecordingFolder(join(parent, 'new'));
  recording.add({
    dataset: '../../etc',
    path: '/a',
    query: {},
    status: 204,
    body: null,
    replaced: { id: 2 },
  });
  recording.add({
    dataset: 'sleep',
    path: '/a',
    query: {},
    status: 200,
    body: { a: 1 },
    replaced: { id: 1 },
  });
  recording.finish('About.\n');
  expect(indexOf(join(parent, 'new')).map(({ file }) => file)).toEqual([
    'other/00_204.json',
    'sleep/00_200.json',
  ]);
  expect(readFileSync(join(parent, 'new', 'other', '00_204.json'), 'utf8')).toBe('');
  expect(Object.fromEntries(recording.replaced)).toEqual({ id: 3 });
});

/** A simulator, a database, and the variables that point the command at them. */
async function commandLine(): Promise<{ parent: string; env: Record<string, string> }> {
  const { url, drop } = await createMigratedDatabase();
  undo.push(drop);
  const simulator = await startGarminSimulator();
  undo.push(() => simulator.close());
  const parent = folder();
  const { origin } = simulator;
  const env = {
    DATABASE_URL: url,
    OTW_DATA_DIR: join(parent, 'data'),
    GARMIN_EMAIL: 'runner@example.com',
    GARMIN_PASSWORD: 'simulated',
    GARMIN_API_ORIGIN: origin,
    GARMIN_SSO_ORIGIN: origin,
    GARMIN_AUTH_ORIGIN: origin,
  };
  return { parent, env };
}

test('otw record writes the folder, counts what was replaced, and refuses to record anything as it came', async () => {
  const { parent, env } = await commandLine();
  const out = join(parent, 'recording');
  const plain = await otw(['record', '--out', out], { env });
  expect(plain).toMatchObject({ code: 2, stdout: '' });
  expect(plain.stderr).toContain('Expected --redact');

  const options = ['--redact', '--out', out, '--dataset', 'sleep,devices', '--json'];
  const made = await otw(['record', ...options], { env });
  expect(made).toMatchObject({ code: 0 });
  const { answers, replaced, failures } = JSON.parse(made.stdout) as Record<string, Record<string, number>>;
  expect(answers).toMatchObject({ sleep: 7, devices: 1 });
  expect(replaced).toMatchObject({
    id: expect.any(Number),
    name: expect.any(Number),
    time: expect.any(Number),
  });
  expect(failures).toEqual([]);
  expect(made.stderr).toContain('Look through the files before you share them');
  expect(readdirSync(out).toSorted()).toEqual(['README.md', 'devices', 'index.json', 'login', 'sleep']);

  const again = await otw(['record', ...options], { env });
  expect(again).toMatchObject({ code: 2 });
  expect(again.stderr).toContain('never overwritten');
});

test('Ctrl-C leaves no half of a recording', async () => {
  const { parent, env } = await commandLine();
  const running = startOtw(['record', '--redact', '--out', join(parent, 'recording')], { env });
  await running.said(/recording sleep/);
  running.process.kill('SIGINT');
  expect(await running.finished).toMatchObject({ code: 130 });
  expect(readdirSync(parent).filter((name) => name.startsWith('recording'))).toEqual([]);
});
