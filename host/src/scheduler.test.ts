import type { RunSummary } from '@on-the-way/core';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ConnectionConfig } from './config/host-config.ts';
import { createLog } from './log.ts';
import { createRedactor } from './redact.ts';
import { createScheduler, type Scheduler, type SchedulerParts } from './scheduler.ts';

beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2026-03-18T12:00:00+08:00') }));
afterEach(() => void vi.useRealTimers());

const minuteMs = 60_000;

function summary(change: Partial<RunSummary>): RunSummary {
  const at = Date.now();
  return {
    runId: 'run-1',
    connection: 'garmin',
    status: 'succeeded',
    startedAt: at,
    finishedAt: at,
    slicesPlanned: 0,
    datasets: {},
    requests: 0,
    ...change,
  };
}

/** Minutes from the end of a run that ended so to the next one. */
async function minutesAfter(
  ended: Partial<RunSummary>,
  { intervalSeconds = 3600, random = 0 }: { intervalSeconds?: number; random?: number } = {},
): Promise<number> {
  const connection = { name: 'garmin', intervalSeconds } as ConnectionConfig;
  const execute = vi.fn(async () => summary(ended));
  const parts = {
    connections: [connection],
    service: { execute },
    runs: { list: async () => [] },
    states: { state: async () => ({ backfillFrom: null }) },
    clock: { now: () => Date.now() },
    random: () => random,
    log: createLog({ redactor: createRedactor(), level: 'error', pretty: false, write: () => undefined }),
  } as unknown as SchedulerParts;
  const scheduler: Scheduler = createScheduler(parts, () => '2026-03-18');
  const began = Date.now();
  scheduler.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(execute).toHaveBeenCalledOnce();
  const next = scheduler.nextRunAt('garmin');
  await scheduler.stop();
  return ((next ?? Number.NaN) - began) / minuteMs;
}

test.each<[string, Partial<RunSummary>, number]>([
  ['went through', {}, 60],
  ['was skipped', { skipped: 'nothing new' }, 60],
  ['has spent its budget', { status: 'partial', error: { code: 'budget_spent', message: '' } }, 60],
  ['was limited for longer', { error: { code: 'rate_limited', message: '', retryAfterMs: 7_200_000 } }, 120],
  ['was limited for less', { error: { code: 'rate_limited', message: '', retryAfterMs: 60_000 } }, 60],
  [
    'had its sign-in refused, for a saved session may be there by then',
    {
      status: 'failed',
      error: { code: 'rate_limited', message: '', retryAfterMs: 7_200_000, refusedSignIn: true },
    },
    60,
  ],
  ['found no network', { status: 'failed', error: { code: 'transient', message: '' } }, 5],
])('after a run that %s', async (_how, ended, minutes) => {
  expect(await minutesAfter(ended)).toBe(minutes);
});

test('the interval is stretched by chance, by 2 % and a minute at most, so that hosts do not keep step', async () => {
  expect(await minutesAfter({}, { random: 0.5 })).toBe(60.5);
  expect(await minutesAfter({}, { intervalSeconds: 600, random: 0.999 })).toBeCloseTo(10 + 0.2, 2);
  expect(await minutesAfter({}, { intervalSeconds: 86_400, random: 0.999 })).toBeCloseTo(1441, 2);
});

test('a run that wanted a person is followed by one soon after the person has signed in', async () => {
  let signedInAt: Date | null = null;
  const execute = vi.fn(async () =>
    summary({ status: 'failed', error: { code: 'needs_user', message: '' } }),
  );
  const parts = {
    connections: [{ name: 'garmin', intervalSeconds: 3600 }],
    service: { execute },
    runs: { list: async () => [] },
    states: { state: async () => ({ backfillFrom: null, signedInAt }) },
    clock: { now: () => Date.now() },
    random: () => 0,
    log: createLog({ redactor: createRedactor(), level: 'error', pretty: false, write: () => undefined }),
  } as unknown as SchedulerParts;
  const scheduler = createScheduler(parts, () => '2026-03-18');
  scheduler.start();
  await vi.advanceTimersByTimeAsync(10 * minuteMs);
  expect(execute).toHaveBeenCalledTimes(1);
  signedInAt = new Date();
  await vi.advanceTimersByTimeAsync(minuteMs / 4);
  expect(execute).toHaveBeenCalledTimes(2);
  await scheduler.stop();
});

/** A scheduler whose runs last until they are let go, with a pause that can be switched. */
function heldScheduler() {
  let pausedAt: Date | null = null;
  const begun: { readonly trigger: string; end(change?: Partial<RunSummary>): void }[] = [];
  const hold = (trigger: string): Promise<RunSummary> => {
    const ended = Promise.withResolvers<RunSummary>();
    begun.push({ trigger, end: (change = {}) => ended.resolve(summary(change)) });
    return ended.promise;
  };
  const parts = {
    connections: [{ name: 'garmin', intervalSeconds: 3600 }],
    service: {
      execute: () => hold('schedule'),
      begin: async () => ({ runId: 'asked', finished: hold('person') }),
    },
    runs: { list: async () => [] },
    states: { state: async () => ({ backfillFrom: null, pausedAt }) },
    clock: { now: () => Date.now() },
    random: () => 0,
    log: createLog({ redactor: createRedactor(), level: 'error', pretty: false, write: () => undefined }),
  } as unknown as SchedulerParts;
  const setPaused = (at: Date | null): void => void (pausedAt = at);
  return { scheduler: createScheduler(parts, () => '2026-03-18'), begun, setPaused };
}

test('a run that a person asked for moves the next one, and none begins beside it', async () => {
  const { scheduler, begun } = heldScheduler();
  scheduler.start();
  await vi.advanceTimersByTimeAsync(0);
  begun[0]?.end();
  await vi.advanceTimersByTimeAsync(50 * minuteMs);
  expect(await scheduler.run('garmin', {})).toBe('asked');
  expect([scheduler.isRunning('garmin'), scheduler.nextRunAt('garmin')]).toEqual([true, undefined]);
  await vi.advanceTimersByTimeAsync(30 * minuteMs);
  expect(begun.map(({ trigger }) => trigger)).toEqual(['schedule', 'person']);
  begun[1]?.end();
  await vi.advanceTimersByTimeAsync(59 * minuteMs);
  expect(begun).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(begun.map(({ trigger }) => trigger)).toEqual(['schedule', 'person', 'schedule']);
  begun[2]?.end();
  await scheduler.stop();
});

test('a run of some days or datasets leaves the next one where it was, once it is over', async () => {
  const { scheduler, begun } = heldScheduler();
  scheduler.start();
  await vi.advanceTimersByTimeAsync(0);
  begun[0]?.end();
  await vi.advanceTimersByTimeAsync(50 * minuteMs);
  await scheduler.run('garmin', { onlyDatasets: ['sleep'] });
  await vi.advanceTimersByTimeAsync(30 * minuteMs);
  begun[1]?.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(begun.map(({ trigger }) => trigger)).toEqual(['schedule', 'person', 'schedule']);
  begun[2]?.end();
  await scheduler.stop();
});

test('a paused connection is not run when it is due, and is run at once when it is resumed here', async () => {
  const { scheduler, begun, setPaused } = heldScheduler();
  setPaused(new Date());
  scheduler.start();
  await vi.advanceTimersByTimeAsync(180 * minuteMs);
  expect(begun).toHaveLength(0);
  setPaused(null);
  scheduler.lookAgain('garmin');
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toHaveLength(1);
  begun[0]?.end();
  await scheduler.stop();
});

test('a host that is not told of it runs within 15 s of a resume elsewhere', async () => {
  const { scheduler, begun, setPaused } = heldScheduler();
  setPaused(new Date());
  scheduler.start();
  await vi.advanceTimersByTimeAsync(10 * minuteMs);
  setPaused(null);
  await vi.advanceTimersByTimeAsync(minuteMs / 4);
  expect(begun).toHaveLength(1);
  begun[0]?.end();
  await scheduler.stop();
});

test('stopping waits for a run that a person asked for, also where nothing is scheduled', async () => {
  const { scheduler, begun } = heldScheduler();
  await scheduler.run('garmin', {});
  let stopped = false;
  const stopping = scheduler.stop().then(() => (stopped = true));
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(stopped).toBe(false);
  begun[0]?.end({ status: 'interrupted' });
  await stopping;
  expect(stopped).toBe(true);
  await expect(scheduler.run('garmin', {})).rejects.toThrow('stopping');
});
