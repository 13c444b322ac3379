import type { DatasetInfo } from '@on-the-way/sdk';
import { describe, expect, test } from 'vitest';
import { planWish, progressOf, stateOf, type WantedBackfill } from './backfill.ts';
import type { Backfill } from './storage/backfills.ts';

const today = '2026-03-18';
const dataset = (name: string, granularity: DatasetInfo['granularity']): DatasetInfo => ({
  name,
  description: `Data of ${name}.`,
  granularity,
  settleDays: 2,
  spanDays: 1,
});
const datasets = [dataset('steps', 'day'), dataset('notes', 'range'), dataset('weight', 'snapshot')];
const plan = (wanted: WantedBackfill, known: readonly DatasetInfo[] | null = datasets) =>
  planWish(wanted, { today, datasets: known });

describe('a wish for days of the past', () => {
  test('ends today where no last day is named, and leaves out what has no days', () => {
    expect(plan({ from: '2026-03-01' })).toEqual({
      wish: { window: { from: '2026-03-01', to: '2026-03-19' }, refresh: false },
      leftOut: ['weight'],
    });
    const one = { from: '2026-03-01', to: '2026-03-01', datasets: ['steps', 'steps', 'weight'] };
    expect(plan({ ...one, refresh: true, requests: 9 })).toEqual({
      wish: {
        window: { from: '2026-03-01', to: '2026-03-02' },
        datasets: ['steps'],
        refresh: true,
        requestBudget: 9,
      },
      leftOut: ['weight'],
    });
  });

  test('is believed where nobody knows yet what can be read', () => {
    expect(plan({ from: today, datasets: ['anything'] }, null)).toMatchObject({
      wish: { datasets: ['anything'] },
      leftOut: [],
    });
  });

  test.each([
    [{ from: '2026-03-19' }, `from: expected a day up to today (${today}), found 2026-03-19`],
    [{ from: today, to: '2026-03-19' }, `to: expected a day up to today (${today}), found 2026-03-19`],
    [{ from: today, to: '2026-03-17' }, `from: expected a day up to 2026-03-17, found ${today}`],
    [
      { from: '2006-03-23' },
      'from: expected at most 7300 days, so a day from 2006-03-24 on, found 2006-03-23',
    ],
    [{ from: today, datasets: ['step'] }, 'datasets: expected names out of steps, notes, found step'],
    [
      { from: today, datasets: ['weight'] },
      'datasets: expected one that has days of the past, found weight, which is read as it is now',
    ],
  ])('is refused as %j', (wanted, message) => {
    expect(() => plan(wanted)).toThrow(message);
  });
});

describe('how far a backfill has come', () => {
  const backfill: Backfill = {
    id: '7b0c2f6e-3f53-4a3e-9d0c-2f6e3f534a3e',
    connection: 'garmin',
    window: { from: '2026-03-01', to: '2026-03-11' },
    refresh: false,
    createdAt: new Date(0),
    since: 0,
    requestsMade: 5,
    nextRunAt: null,
    stalled: 0,
    finishedAt: null,
    cancelledAt: null,
  };
  const days = new Map([['steps', { ok: 4, noData: 2, notSupported: 1, failed: 1 }]]);

  test('is what the ledger says against what was wanted of what can be read', () => {
    expect(progressOf(backfill, days, datasets)).toEqual({
      datasets: [
        { dataset: 'steps', ok: 4, noData: 2, notSupported: 1, failed: 1, left: 2 },
        { dataset: 'notes', ok: 0, noData: 0, notSupported: 0, failed: 0, left: 10 },
      ],
      total: 20,
      done: 7,
      failed: 1,
      left: 12,
    });
    expect(progressOf({ ...backfill, datasets: ['steps'] }, days, null)).toMatchObject({
      total: 10,
      left: 2,
    });
    expect(progressOf(backfill, days, null)).toMatchObject({ total: null, done: 7, left: null });
    const cannot = [{ ...datasets[0]!, notSupported: 'No credential covers it' }];
    expect(progressOf(backfill, days, cannot)).toMatchObject({ done: 9, failed: 1, left: 0 });
  });

  test('its state tells an end for want of requests from an end for want of days', () => {
    const ended = { ...backfill, finishedAt: new Date(1), requestBudget: 5 };
    expect(stateOf(backfill, 3)).toBe('open');
    expect(stateOf(ended, 3)).toBe('budget_spent');
    expect(stateOf(ended, 0)).toBe('finished');
    expect(stateOf({ ...ended, requestsMade: 4 }, 3)).toBe('finished');
    expect(stateOf({ ...backfill, cancelledAt: new Date(1) }, 3)).toBe('cancelled');
  });
});
