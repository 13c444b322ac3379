import { addDays, ConnectorError, daysOf, splitWindow, type Window } from '@on-the-way/sdk';
import { startGarminSimulator, type GarminSimulatorOptions } from '@on-the-way/garmin-simulator';
import { expect, onTestFinished, test } from 'vitest';
import { localConfig, login, memoryTokens, read } from '../test/server.ts';
import { datasetNames, datasetTable } from './datasets/index.ts';
import type { DatasetName } from './empty.ts';
import type { GarminSession } from './session.ts';

const today = '2031-03-20';
const tenDays: Window = { from: addDays(today, -9), to: addDays(today, 1) };
const credentials = { email: 'runner@example.com', password: 'simulated' };

async function start(options: GarminSimulatorOptions = {}) {
  const simulator = await startGarminSimulator({
    now: () => Date.parse(`${today}T22:00:00+08:00`),
    ...options,
  });
  onTestFinished(async () => simulator.close());
  return simulator;
}

/** Windows as the host would ask for them. */
function windowsOf(name: string, window: Window): Window[] {
  const entry = datasetTable[name as DatasetName];
  if (entry.granularity === 'snapshot') return [{ from: today, to: addDays(today, 1) }];
  return splitWindow(window, entry.granularity === 'range' ? entry.spanDays : 1);
}

/** How many records a dataset gives, or the code of the error it ends with. */
async function outcome(session: GarminSession, name: string): Promise<number | string> {
  try {
    const parts = [];
    for (const { from, to } of windowsOf(name, tenDays)) parts.push(await read(session, name, from, to));
    return parts.flat().length;
  } catch (error) {
    if (ConnectorError.is(error)) return error.code;
    throw error;
  }
}

test('one sign-in reads ten days of all 32 datasets, and the saved tokens read them again', async () => {
  const simulator = await start({ features: { hrv: true, menstrual: true } });
  const tokens = memoryTokens();
  const session = await login(localConfig(simulator.origin, credentials), { tokens });
  const outcomes: Record<string, number | string> = {};
  for (const name of datasetNames) outcomes[name] = await outcome(session, name);
  const failed = Object.entries(outcomes).filter(
    ([, result]) => typeof result === 'string' && result !== 'not_supported',
  );
  expect(failed).toEqual([]);
  expect(outcomes).toMatchObject({ workouts: 1, devices: 1, goals: 1, badges: 1 });
  // A watch is not worn every day.
  for (const name of ['user_summary', 'sleep', 'heart_rate', 'stress'])
    expect(outcomes[name]).toBeGreaterThan(7);
  expect(Object.values(outcomes).filter((result) => Number(result) > 0).length).toBeGreaterThan(25);
  await login(localConfig(simulator.origin), { tokens });
  expect(simulator.requests.filter(({ path }) => path === '/sso/signin')).toHaveLength(2);
});

test('the same window read twice, and read day by day, gives the same records', async () => {
  const simulator = await start();
  const session = await login(localConfig(simulator.origin, credentials), { tokens: memoryTokens() });
  for (const [name, entry] of Object.entries(datasetTable)) {
    if (entry.granularity !== 'range') continue;
    const window = { from: addDays(today, -12), to: addDays(today, -2) };
    const once = await read(session, name, window.from, window.to).catch(
      (error: ConnectorError) => error.code,
    );
    if (once === 'not_supported') continue;
    expect(await read(session, name, window.from, window.to)).toEqual(once);
    const days = [];
    for (const day of daysOf(window)) days.push(await read(session, name, day, addDays(day, 1)));
    expect([name, days.flat()]).toEqual([name, once]);
  }
});

test('a day before the watch has no records in any dataset', async () => {
  const simulator = await start();
  const session = await login(localConfig(simulator.origin, credentials), { tokens: memoryTokens() });
  for (const [name, entry] of Object.entries(datasetTable)) {
    if (entry.granularity === 'snapshot') continue;
    const records = await read(session, name, '1999-01-01', '1999-01-02').catch(
      (error: ConnectorError) => error.code,
    );
    expect([name, records === 'not_supported' ? [] : records]).toEqual([name, []]);
  }
});
