// What runs cost in requests, counted at the simulator: the whole way, from plan to answer.
import { addDays, dayAt } from '@on-the-way/sdk';
import { afterEach, expect, test } from 'vitest';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

const open: TestHost[] = [];
const zone = 'Asia/Shanghai';

afterEach(async () => {
  await Promise.all(open.splice(0).map((made) => made.close()));
});

/** Requests to the simulator that a scheduled run makes. */
async function costOf(made: TestHost): Promise<number> {
  made.simulator.forgetRequests();
  const summary = await made.run({ trigger: 'schedule' });
  expect(summary.error).toBeUndefined();
  expect(summary.requests).toBe(made.simulator.requests.length);
  return summary.requests;
}

test('the hourly run of a settled account costs 60 requests at most, and next to nothing when no device has synced', async () => {
  const clock = fakeClock('2026-03-18T12:30:00+08:00');
  let lastSync = clock.now();
  const made = await createTestHost({ clock, simulator: { syncs: () => lastSync } });
  open.push(made);
  const first = await costOf(made);
  for (let day = 0; day < 8; day += 1) {
    clock.advance({ days: 1 });
    lastSync = clock.now();
    await made.run({ trigger: 'schedule', inProcess: true });
  }
  clock.advance({ hours: 1 });
  const withoutSync = await costOf(made);
  clock.advance({ hours: 1 });
  lastSync = clock.now();
  const withSync = await costOf(made);
  console.log(
    `requests: ${first} for the first run (10 days), ${withSync} for an hourly run after a sync, ${withoutSync} without one`,
  );
  expect(withoutSync).toBeLessThanOrEqual(3);
  expect(withSync).toBeGreaterThan(10);
  expect(withSync).toBeLessThanOrEqual(60);
}, 180_000);

test('a year of history without intraday readings costs 250 requests at most, and every day has its outcome', async () => {
  const clock = fakeClock('2026-03-18T12:30:00+08:00');
  const made = await createTestHost({
    clock,
    connection: { backfillDays: 365 },
    config: { intraday: false },
  });
  open.push(made);
  const cost = await costOf(made);
  const today = dayAt(clock.now(), zone);
  const rows = await made.query<{ dataset: string; days: number; failed: number }>(
    `select dataset, count(*)::int as days, count(*) filter (where outcome = 'failed')::int as failed
     from app.slice_ledger where day > '${addDays(today, -365)}' group by dataset order by dataset`,
  );
  console.log(`requests: ${cost} for a year without intraday readings`);
  expect(cost).toBeLessThanOrEqual(250);
  expect(rows).toHaveLength(32);
  expect(rows.filter(({ failed }) => failed > 0)).toEqual([]);
  expect(new Set(rows.map(({ days }) => days))).toEqual(new Set([1, 365]));
}, 180_000);
