import { afterEach, expect, test } from 'vitest';
import { createTestHost, fakeClock, type TestHost, type TestHostOptions } from './test-host.ts';

// GARMIN_FETCH_WINDOW_DAYS, GARMIN_BACKFILL_DAYS and GARMIN_TIMEZONE, as the source sees them.
let open: TestHost[] = [];
afterEach(async () => {
  await Promise.all(open.map((made) => made.close()));
  open = [];
});

async function host(options: TestHostOptions): Promise<TestHost> {
  const made = await createTestHost({ metrics: ['stress', 'hydration', 'devices'], ...options });
  open.push(made);
  // Where the source does not tell which days changed, every day of the window is read in every run.
  made.simulator.answer(/\/usersummary-service\/stats\/daily\//, { status: 404 });
  return made;
}

/** The days stress was asked for since last time, oldest first. */
function stressDays({ simulator }: TestHost): string[] {
  const days = simulator.requests.flatMap(({ path }) => /dailyStress\/(\S+)$/.exec(path)?.[1] ?? []);
  simulator.forgetRequests();
  return days.toSorted();
}

function days(month: string, from: number, to: number): string[] {
  return Array.from(
    { length: to - from + 1 },
    (_, index) => `${month}-${String(from + index).padStart(2, '0')}`,
  );
}

test('the first run reads the backfill, the next ones the window alone', async () => {
  const clock = fakeClock('2026-03-18T12:00:00+08:00');
  const made = await host({ clock });
  await made.run();
  expect(stressDays(made)).toEqual(days('2026-03', 9, 18));
  clock.advance({ hours: 1 });
  await made.run();
  expect(stressDays(made)).toEqual(days('2026-03', 16, 18));
});

test('a range dataset is asked for the whole backfill in one request, and recorded day by day', async () => {
  const made = await host({ clock: fakeClock('2026-03-18T12:00:00+08:00') });
  await made.run();
  const asked = made.simulator.requests.filter(({ path }) => path.includes('/hydration/'));
  expect(asked.map(({ path }) => path)).toEqual([
    '/usersummary-service/stats/hydration/daily/2026-03-09/2026-03-18',
  ]);
  const recorded = await made.query(
    `select day::text from app.slice_ledger where dataset = 'hydration' order by 1`,
  );
  expect(recorded).toHaveLength(10);
});

test('a window longer than the default is read in every run', async () => {
  const clock = fakeClock('2026-03-18T12:00:00+08:00');
  const made = await host({ clock, connection: { windowDays: 5, backfillDays: 5 } });
  await made.run();
  clock.advance({ hours: 1 });
  stressDays(made);
  await made.run();
  expect(stressDays(made)).toEqual(days('2026-03', 14, 18));
});

test('raising the backfill later reads only the days that are missing, beside the window', async () => {
  const clock = fakeClock('2026-03-18T12:00:00+08:00');
  const made = await host({ clock });
  await made.run();
  clock.advance({ hours: 1 });
  stressDays(made);
  await made.run({}, { backfillDays: 14 });
  expect(stressDays(made)).toEqual([...days('2026-03', 5, 8), ...days('2026-03', 16, 18)]);
});

test('lowering the backfill forgets nothing', async () => {
  const clock = fakeClock('2026-03-18T12:00:00+08:00');
  const made = await host({ clock });
  await made.run();
  await made.run({}, { backfillDays: 2 });
  const { backfillFrom } = await made.host.connections.state('garmin');
  expect(backfillFrom).toBe('2026-03-09');
});

test('a host that was off for two weeks reads every day it missed', async () => {
  const clock = fakeClock('2026-03-02T12:00:00+08:00');
  const made = await host({ clock });
  await made.run();
  stressDays(made);
  clock.set('2026-03-20T12:00:00+08:00');
  await made.run();
  // 28 Feb to 2 Mar were read before they had settled, so they are looked at once more.
  expect(stressDays(made)).toEqual(expect.arrayContaining(days('2026-03', 3, 20)));
});

test("the day changes at the zone's midnight, not at UTC's or the machine's", async () => {
  const clock = fakeClock('2026-03-18T23:59:59+08:00');
  const made = await host({ clock, connection: { windowDays: 1, backfillDays: 1 } });
  await made.run();
  expect(stressDays(made)).toEqual(['2026-03-18']);
  clock.set('2026-03-19T00:00:00+08:00');
  await made.run();
  expect(stressDays(made)).toContain('2026-03-19');
});

test('over a change of clocks in another zone no day is skipped or read twice, and midnight keeps its offset', async () => {
  const timeZone = 'America/New_York';
  // Clocks go forward on 8 March and back on 1 November 2026.
  for (const [at, month, from, to] of [
    ['2026-03-09T00:30:00-04:00', '2026-03', 7, 9],
    ['2026-11-02T00:30:00-05:00', '2026-11', 1, 2],
  ] as const) {
    const made = await host({
      clock: fakeClock(at),
      simulator: { timeZone },
      connection: { timeZone, windowDays: to - from + 1, backfillDays: to - from + 1 },
    });
    await made.run();
    expect(stressDays(made)).toEqual(days(month, from, to));
    const stored = await made.query<{ day: string; text: string; same: boolean }>(
      `select payload_json->>'metric_date' as day, payload_json->>'timezone' as text,
         occurred_at = (payload_json->>'metric_date')::timestamp at time zone 'America/New_York' as same
       from raw.raw_event where payload_json->>'metric_type' = 'stress'`,
    );
    expect(stored.length).toBeGreaterThan(0);
    expect(stored.every(({ same, text }) => same && text === timeZone)).toBe(true);
  }
});

test('a day that was read before it had settled is looked at again once a day, and then never', async () => {
  const clock = fakeClock('2026-03-18T12:00:00+08:00');
  const made = await host({ clock, metrics: ['stress'] });
  await made.run();
  stressDays(made);
  const asked = new Map<string, number[]>();
  for (let hours = 12; hours <= 24 * 6; hours += 12) {
    clock.advance({ hours: 12 });
    await made.run();
    for (const day of stressDays(made)) asked.set(day, [...(asked.get(day) ?? []), hours]);
  }
  // Settled when first read: final at once.
  expect(asked.has('2026-03-14')).toBe(false);
  // In every run while one of the last three days (to the end of 20 March), once more when its three days
  // of settling were over, never again.
  expect(asked.get('2026-03-18')).toEqual([12, 24, 36, 48, 72]);
});

test('--from and --to read these days, final or not, and --dataset just those', async () => {
  const made = await host({ clock: fakeClock('2026-03-18T12:00:00+08:00') });
  await made.run();
  stressDays(made);
  const only = { from: '2026-03-10', to: '2026-03-12' };
  const { datasets } = await made.run({ only, onlyDatasets: ['stress'] });
  expect(stressDays(made)).toEqual(['2026-03-10', '2026-03-11']);
  expect(Object.keys(datasets)).toEqual(['stress']);
});
