import { readFileSync } from 'node:fs';
import { addDays, splitWindow, type DatasetDefinition, type Window } from '@on-the-way/sdk';
import { startGarminSimulator, type GarminSimulator } from '@on-the-way/garmin-simulator';
import { beforeAll, afterAll, expect, test } from 'vitest';
import { never } from '../../test/server.ts';
import { openSession, readFrom } from '../../test/session.ts';
import { readProfile, type GarminSession } from '../session.ts';
import { datasetNames, pickDatasets } from './index.ts';

const today = '2031-03-20';
const year: Window = { from: addDays(today, -364), to: addDays(today, 1) };
let simulator: GarminSimulator;

beforeAll(async () => {
  simulator = await startGarminSimulator({
    now: () => Date.parse(`${today}T22:00:00+08:00`),
    features: { hrv: true, menstrual: true },
  });
});
afterAll(async () => simulator.close());

async function open(intraday: boolean): Promise<GarminSession> {
  const bearer = simulator.issueTokens().access_token;
  const nobody = openSession(simulator.origin, { bearer }).apis.connect;
  const profile = await readProfile(nobody!, { isChina: false, signal: never });
  return openSession(simulator.origin, { intraday, bearer, profile });
}

/** A year as the host asks for it. */
function windowsOf({ granularity, spanDays = 1, notSupported }: DatasetDefinition<GarminSession>): Window[] {
  if (notSupported !== undefined) return [];
  if (granularity === 'snapshot') return [{ from: today, to: addDays(today, 1) }];
  return splitWindow(year, granularity === 'range' ? spanDays : 1);
}

async function requestsFor(session: GarminSession, name: string, window: Window): Promise<number> {
  const before = simulator.requests.length;
  // An account without it answers so too, at the same cost.
  await readFrom(session, name, window).catch((error: { code: string }) => {
    expect([name, error.code]).toEqual([name, 'not_supported']);
  });
  return simulator.requests.length - before;
}

/** Requests for the year; where each day is asked for alone, one day is, and counted as often as there are days. */
async function costOf(session: GarminSession, name: string): Promise<number> {
  const definition = pickDatasets(session)[name];
  const windows = definition ? windowsOf(definition) : [];
  if (definition?.granularity === 'day') {
    const [last] = windows.slice(-1);
    return last ? (await requestsFor(session, name, last)) * windows.length : 0;
  }
  let requests = 0;
  for (const window of windows) requests += await requestsFor(session, name, window);
  return requests;
}

async function costs(intraday: boolean): Promise<Record<string, number>> {
  const session = await open(intraday);
  const result: Record<string, number> = {};
  for (const name of datasetNames) result[name] = await costOf(session, name);
  return result;
}

const sum = (all: Record<string, number>) => Object.values(all).reduce((total, one) => total + one, 0);

test('a year of all datasets without intraday costs at most 250 requests, and the docs say what each costs', async () => {
  const without = await costs(false);
  const withReadings = await costs(true);
  expect(sum(without)).toBeLessThanOrEqual(250);
  const notRead = Object.entries(pickDatasets(await open(false)))
    .filter(([, { notSupported }]) => notSupported !== undefined)
    .map(([name]) => name);
  const cells = (name: string, { [name]: cost = 0 }: Record<string, number>) =>
    cost === 0 ? 'shared' : cost;
  const rows = [
    ...datasetNames.map((name) => [
      `\`${name}\``,
      cells(name, withReadings),
      notRead.includes(name) ? 'not read' : cells(name, without),
    ]),
    ['all', sum(withReadings), sum(without)],
  ];
  const page = readFileSync(new URL('../../../../docs/garmin.md', import.meta.url), 'utf8');
  const shown = page.split('\n').map((line) => line.replaceAll(/\s+/g, ' '));
  expect(rows.map((row) => `| ${row.join(' | ')} |`).filter((row) => !shown.includes(row))).toEqual([]);
}, 60_000);

test('a year read in spans has as many days as the same days read one by one', async () => {
  const session = await open(false);
  const week: Window = { from: addDays(today, -20), to: addDays(today, -13) };
  for (const name of ['user_summary', 'sleep', 'stress', 'hrv', 'training_status', 'training_readiness']) {
    const days = await readFrom(session, name, week);
    const alone = [];
    const single = await open(true);
    for (const window of splitWindow(week, 1)) alone.push(...(await readFrom(single, name, window)));
    expect([name, days.map(({ day }) => day)]).toEqual([name, alone.map(({ day }) => day)]);
  }
});
