import type { RunSummary } from '@on-the-way/core';
import { addDays, dayAt, startOfDay } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { nextRunAfter } from './next-run.ts';

function minutesAfter(
  change: Partial<RunSummary>,
  { intervalSeconds = 3600, random = 0, elapsedMs = 0, pauseMs = 0, brokenRuns = 0 } = {},
): number {
  const summary: RunSummary = {
    runId: 'run-1',
    connection: 'garmin',
    status: 'succeeded',
    startedAt: 0,
    finishedAt: 0,
    slicesPlanned: 0,
    datasets: {},
    requests: 0,
    ...change,
  };
  const ended = { summary, intervalSeconds, elapsedMs, pauseMs, brokenRuns, random: () => random };
  return nextRunAfter(ended).afterMs / 60_000;
}

const failed = (code: string): Partial<RunSummary> => ({ status: 'failed', error: { code, message: '' } });

test.each<[string, Partial<RunSummary>, Parameters<typeof minutesAfter>[1], number]>([
  ['went through', {}, {}, 60],
  ['took ten minutes, for the interval is from begin to begin', {}, { elapsedMs: 600_000 }, 50],
  ['took longer than the interval', {}, { elapsedMs: 7_200_000 }, 0],
  ['was skipped', { skipped: 'nothing new' }, {}, 60],
  ['has spent its budget', { ...failed('budget_spent'), status: 'partial' }, {}, 60],
  ['was limited for longer', failed('rate_limited'), { pauseMs: 7_200_000 }, 120],
  ['was limited for less', failed('rate_limited'), { pauseMs: 60_000 }, 60],
  [
    'had its sign-in refused, for a saved session may be there by then',
    {
      status: 'failed',
      error: { code: 'rate_limited', message: '', refusedSignIn: true },
    },
    { pauseMs: 7_200_000 },
    60,
  ],
  ['found no network', failed('transient'), {}, 5],
  ['found no network, where runs are more often than that', failed('transient'), { intervalSeconds: 60 }, 1],
  ['was stopped with its host', { status: 'interrupted' }, {}, 0],
  ['was broken off by its plugin once', failed('process_died'), { intervalSeconds: 10, brokenRuns: 1 }, 1],
  ['was broken off four times', failed('process_died'), { intervalSeconds: 10, brokenRuns: 4 }, 8],
  ['was broken off ever again', failed('process_died'), { intervalSeconds: 10, brokenRuns: 7 }, 60],
])('after a run that %s', (_how, ended, circumstances, minutes) => {
  expect(minutesAfter(ended, circumstances)).toBe(minutes);
});

test('the interval is stretched by chance, by 2 % and a minute at most, so that connections do not keep step', () => {
  expect(minutesAfter({}, { random: 0.5 })).toBe(60.5);
  expect(minutesAfter({}, { intervalSeconds: 600, random: 0.999 })).toBeCloseTo(10 + 0.2, 2);
  expect(minutesAfter({}, { intervalSeconds: 86_400, random: 0.999 })).toBeCloseTo(1441, 2);
});

// The zones' own calendars: a day of 23 and of 25 hours, one of half an hour more, one that was left out.
test.each([
  ['America/New_York', '2026-03-06', 5, []],
  ['America/New_York', '2026-10-30', 5, []],
  ['Australia/Lord_Howe', '2026-04-03', 5, []],
  ['Australia/Lord_Howe', '2026-10-02', 5, []],
  ['Pacific/Apia', '2011-12-28', 5, ['2011-12-30']],
  ['Asia/Shanghai', '2026-02-26', 3, []],
])('hourly runs in %s from %s on meet each local day once, in order', (zone, first, days, leftOut) => {
  const met: string[] = [];
  for (let at = startOfDay(first, zone); dayAt(at, zone) < addDays(first, days); at += 3_600_000)
    if (met.at(-1) !== dayAt(at, zone)) met.push(dayAt(at, zone));
  const calendar = Array.from({ length: days }, (_, index) => addDays(first, index));
  expect(met).toEqual(calendar.filter((day) => !leftOut.some((left) => left === day)));
});
