import type { ConnectorErrorCode } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { inventedAccount } from '../../test/invented.ts';
import { startServer, type Handler } from '../../test/server.ts';
import { openSession, readFrom } from '../../test/session.ts';
import { datasetNames, pickDatasets } from './index.ts';

const window = { from: '2031-03-05', to: '2031-03-06' };

const onPersonal = ['body_battery', 'spo2', 'weight', 'hydration', 'menstrual', 'activities'];
const inParts = ['user_summary', 'stress', 'hrv', 'body_composition'];

async function bothServers(personal: Handler) {
  const [phone, official] = [await startServer(inventedAccount), await startServer(personal)];
  const session = (has: readonly ('connect' | 'personal')[]) =>
    openSession(phone.origin, { has, personalOrigin: official.origin });
  return { phone, official, session };
}

test.each(onPersonal)('%s is asked of the Personal API first', async (name) => {
  const { phone, official, session } = await bothServers(inventedAccount);
  const days = name === 'spo2' ? window : { from: '2031-03-05', to: '2031-03-10' };
  expect((await readFrom(session(['connect', 'personal']), name, days)).length).toBeGreaterThan(0);
  expect(phone.seen).toEqual([]);
  expect(official.seen.every(({ headers }) => headers['authorization'] === 'Bearer personal')).toBe(true);
});

test('whatever else there is comes from the phone app’s api when both are there', async () => {
  const { official, session } = await bothServers(inventedAccount);
  const both = session(['connect', 'personal']);
  for (const name of datasetNames.filter((one) => !onPersonal.includes(one)))
    await readFrom(both, name, window);
  expect(official.seen).toEqual([]);
});

test('a path the Personal API does not serve is asked of the phone app’s, and not tried again', async () => {
  const { phone, official, session } = await bothServers(() => ({ status: 404, json: {} }));
  const both = session(['connect', 'personal']);
  for (const day of ['2031-03-05', '2031-03-06']) {
    expect(await readFrom(both, 'spo2', { from: day, to: '2031-03-07' })).not.toEqual([]);
  }
  expect(official.seen).toHaveLength(1);
  expect(phone.seen.length).toBeGreaterThan(1);
});

test('another refusal of the Personal API is not covered up', async () => {
  const { session } = await bothServers(() => ({ status: 429, json: {} }));
  await expect(readFrom(session(['connect', 'personal']), 'spo2', window)).rejects.toMatchObject({
    code: 'rate_limited' satisfies ConnectorErrorCode,
  });
});

test('with a key alone some datasets are read, some in parts, and the others say what to do', () => {
  const table = pickDatasets(openSession('http://127.0.0.1:1', { has: ['personal'] }));
  const open = Object.entries(table).filter(([, { notSupported }]) => notSupported === undefined);
  expect(open.map(([name]) => name).toSorted()).toEqual([...onPersonal, ...inParts].toSorted());
  for (const [name, { notSupported = 'npx otw login' }] of Object.entries(table)) {
    expect([name, notSupported]).toEqual([name, expect.stringContaining('npx otw login')]);
  }
});

test('with a key alone 404 is a lasting absence, however old the day', async () => {
  const { session } = await bothServers(() => ({ status: 404, json: {} }));
  await expect(
    readFrom(session(['personal']), 'spo2', { from: '2001-03-05', to: '2001-03-06' }),
  ).rejects.toMatchObject({ code: 'not_supported', status: 404 });
});

test('body composition made of the weighings has the shape it always has', async () => {
  const sample = { samplePk: 1, calendarDate: '2031-03-05', weight: 60_000, bodyFat: 20 };
  const light = { samplePk: 2, calendarDate: '2031-03-05', weight: 60_000, bodyFat: null };
  const { session } = await bothServers(({ path }) =>
    path.startsWith('/weight-service/weight/range/')
      ? { json: { dailyWeightSummaries: [{ summaryDate: '2031-03-05', allWeightMetrics: [sample, light] }] } }
      : undefined,
  );
  const [record] = await readFrom(session(['personal']), 'body_composition', window);
  expect(record).toEqual({ day: '2031-03-05', data: { dateWeightList: [sample] }, method: 'get_weigh_ins' });
});

test('without intraday the host is told what cannot be read so, and how to turn it on', () => {
  const table = pickDatasets(openSession('http://127.0.0.1:1', { intraday: false }));
  const closed = Object.entries(table).filter(([, { notSupported }]) => notSupported !== undefined);
  expect(closed.map(([name]) => name)).toEqual(['heart_rate', 'respiration', 'spo2']);
  expect(closed[0]?.[1].notSupported).toContain('GARMIN_INTRADAY');
  expect(Object.values(table).filter(({ granularity }) => granularity === 'day')).toHaveLength(3);
});

test('day datasets that devices fill are watched, and nothing else', () => {
  const table = pickDatasets(openSession('http://127.0.0.1:1'));
  const watched = Object.entries(table).filter(([, dataset]) => dataset.watched === true);
  const byDay = Object.entries(table).filter(([, { granularity }]) => granularity === 'day');
  expect(watched.map(([name]) => name)).toEqual(byDay.map(([name]) => name));
  expect(watched).toHaveLength(11);
});
