import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { fetchFrom, postTo, primaryPaths, shanghai, withSimulator } from './testing.ts';

const NOW = shanghai('2026-03-20T12:00');
const FIRST = '2026-03-10';
const LAST = '2026-03-18';

interface Recorded {
  readonly path: string;
  readonly status: number;
  readonly text: string;
}

/** A folder as `otw record` writes it. */
function writeFolder(answers: readonly Recorded[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'recording-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const index = answers.map(({ path, status, text }, number) => {
    const url = new URL(path, 'http://localhost');
    const file = text === '' ? null : `${number}_${status}.json`;
    if (file !== null) writeFileSync(join(folder, file), text);
    const query = Object.fromEntries(url.searchParams);
    return { file, metric_type: 'invented', method: 'GET', path: url.pathname, query, status };
  });
  writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
  return folder;
}

async function ask(simulator: GarminSimulator, path: string): Promise<Recorded> {
  const headers = { 'sec-fetch-site': 'same-origin' };
  const { status, text } = await fetchFrom(simulator, path, headers);
  return { path, status, text };
}

/** The primary requests over some days, with the days of a range set wide. */
function pathsOver(start: string, end: string): string[] {
  const marked = Object.values(primaryPaths('START', 'someone', 4711));
  return marked.map((path) =>
    path.includes('START') && path.indexOf('START') !== path.lastIndexOf('START')
      ? path.replace('START', start).replace('START', end)
      : path.replace('START', end),
  );
}

async function recordAll(paths: readonly string[]): Promise<Recorded[]> {
  const answers: Recorded[] = [];
  await withSimulator({ now: NOW }, async (simulator) => {
    const { body } = await fetchFrom(simulator, '/userprofile-service/socialProfile');
    for (const path of paths) {
      const own = path.replace('someone', body.displayName).replace('4711', body.profileId);
      answers.push(await ask(simulator, own));
    }
  });
  return answers;
}

test("a recording of one's own is served back, whoever the profile says one is", async () => {
  const recorded = await recordAll(pathsOver(FIRST, LAST));
  await withSimulator({ recordings: writeFolder(recorded), seed: 'another' }, async (simulator) => {
    for (const { path, status, text } of recorded) {
      const asked = path.replace(/userProfilePk=\d+/, 'userProfilePk=1');
      expect(await ask(simulator, asked)).toEqual({ path: asked, status, text });
    }
  });
});

test('a shorter range is cut from the recorded one, row for row', async () => {
  const paths = [
    '/usersummary-service/stats/daily/START/END',
    '/sleep-service/stats/sleep/daily/START/END',
    '/wellness-service/wellness/bodyBattery/reports/daily?startDate=START&endDate=END',
    '/userstats-service/wellness/daily?fromDate=START&untilDate=END&metricId=60',
    '/bloodpressure-service/bloodpressure/range/START/END?includeAll=true',
    '/metrics-service/metrics/maxmet/daily/START/END',
    '/metrics-service/metrics/racepredictions/daily?fromCalendarDate=START&toCalendarDate=END',
    '/biometric-service/stats/lactateThresholdSpeed/range/START/END?sport=RUNNING',
  ];
  const over = (start: string, end: string) =>
    paths.map((path) => path.replace('START', start).replace('END', end));
  const daysIn = (answer: Recorded | undefined): string[] =>
    [...(answer?.text ?? '').matchAll(/"(?:calendarDate|date|startDate|from)":"(2026-03-\d\d)"/g)].map(
      ([, day = '']) => day,
    );
  const wide = await recordAll(over('2026-02-20', '2026-03-18'));
  await withSimulator({ recordings: writeFolder(wide) }, async (simulator) => {
    const narrow = over('2026-03-12', '2026-03-15');
    const isInside = (day: string): boolean => day >= '2026-03-12' && day <= '2026-03-15';
    for (const [index, path] of narrow.entries()) {
      const days = daysIn(await ask(simulator, path)).filter(isInside);
      expect(days, path).toEqual(daysIn(wide[index]).filter(isInside));
    }
    const { body } = await fetchFrom(simulator, narrow[0] ?? '');
    expect(body.map((row: { calendarDate: string }) => row.calendarDate)).toEqual([
      '2026-03-12',
      '2026-03-13',
      '2026-03-14',
      '2026-03-15',
    ]);
  });
});

test('a recorded profile is answered instead of the invented one, and a recorded query too', async () => {
  const profile = {
    path: '/userprofile-service/socialProfile',
    status: 200,
    text: '{"displayName":"recorded"}',
  };
  const query = { path: '/graphql-gateway/graphql', status: 200, text: '{"data":{"recorded":true}}' };
  await withSimulator({ recordings: writeFolder([profile, query]) }, async (simulator) => {
    expect((await fetchFrom(simulator, profile.path)).text).toBe(profile.text);
    const bearer = { authorization: 'Bearer simulated-x' };
    expect((await postTo(simulator, query.path, { query: '{}' }, bearer)).text).toBe(query.text);
  });
});
