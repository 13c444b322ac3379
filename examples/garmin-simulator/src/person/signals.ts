import { MINUTE_MS, addDays } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { Random } from '../prng.ts';
import { dayPlan } from './day-plan.ts';
import type { DayPlan, PlannedActivity } from './day-plan.ts';
import { nightOf } from './night.ts';
import { dayRandom, oncePerDay } from './person.ts';
import type { Person } from './person.ts';

export type Sample = readonly [atMs: number, value: number];

/** What the watch writes down on one day, midnight to midnight. */
export interface Signals {
  /** Beats per minute, every 2 minutes. */
  readonly heartRate: readonly Sample[];
  /** 0 to 100 every 3 minutes; -1 not measured, -2 too active to measure. */
  readonly stress: readonly Sample[];
  /** 0 to 100, every 3 minutes. */
  readonly bodyBattery: readonly Sample[];
  /** Breaths per minute, every 2 minutes. */
  readonly respiration: readonly Sample[];
  /** Steps in the quarter of an hour that begins at the instant. */
  readonly steps: readonly Sample[];
}

type Moment =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'awake'; readonly hour: number }
  | { readonly kind: 'exercise'; readonly activity: PlannedActivity; readonly part: number }
  | { readonly kind: 'recovering'; readonly activity: PlannedActivity; readonly part: number };

const RECOVERY_MS = 40 * MINUTE_MS;

/** Tells what the person does at any instant of the day. */
function momentsOf(person: Person, plan: DayPlan): (atMs: number) => Moment {
  const nextBedMs = dayPlan(person, addDays(plan.date, 1)).bedMs;
  return (atMs) => {
    if (atMs < plan.wakeMs) return atMs >= plan.bedMs ? { kind: 'asleep' } : { kind: 'awake', hour: 0 };
    if (atMs >= nextBedMs) return { kind: 'asleep' };
    for (const activity of plan.activities) {
      if (atMs < activity.startMs || atMs >= activity.endMs + RECOVERY_MS) continue;
      if (atMs >= activity.endMs) {
        return { kind: 'recovering', activity, part: (atMs - activity.endMs) / RECOVERY_MS };
      }
      const part = (atMs - activity.startMs) / (activity.endMs - activity.startMs);
      return { kind: 'exercise', activity, part };
    }
    return { kind: 'awake', hour: (atMs - plan.startMs) / (60 * MINUTE_MS) };
  };
}

function series(plan: DayPlan, everyMinutes: number, at: (atMs: number) => number): Sample[] {
  const samples: Sample[] = [];
  for (let ms = plan.startMs; ms < plan.endMs; ms += everyMinutes * MINUTE_MS) samples.push([ms, at(ms)]);
  return samples;
}

/** Beats above rest while awake and not exercising: low at dawn and late, highest in the afternoon. */
function daytimeRise(hour: number): number {
  const fromAfternoon = Math.abs(hour - 15) / 9;
  return 10 + 14 * (1 - Math.min(1, fromAfternoon * fromAfternoon));
}

/** A value that lags behind where it is heading, as a heart does. */
function smoother(random: Random, noise: number): (target: number, pull: number) => number {
  let value: number | undefined;
  return (target, pull) => {
    const from = value ?? target;
    value = from + (target - from) * pull + random.spread() * noise;
    return value;
  };
}

function heartRateSeries(person: Person, plan: DayPlan, momentAt: (atMs: number) => Moment): Sample[] {
  const rest = nightOf(person, plan.date).restingHeartRate;
  const follow = smoother(dayRandom(person, plan.date, 'heart'), 1.6);
  return series(plan, 2, (atMs) => {
    const moment = momentAt(atMs);
    switch (moment.kind) {
      case 'asleep':
        return Math.max(rest - 3, Math.round(follow(rest + 2, 0.3)));
      case 'awake':
        return Math.max(rest, Math.round(follow(rest + daytimeRise(moment.hour), 0.25)));
      case 'exercise': {
        const { averageHeartRate, maxHeartRate } = moment.activity;
        const target = averageHeartRate + (maxHeartRate - averageHeartRate) * (moment.part * 2 - 1) * 0.8;
        return Math.min(maxHeartRate, Math.round(follow(target, 0.5)));
      }
      case 'recovering':
        return Math.round(follow(rest + 16 + 40 * (1 - moment.part), 0.35));
    }
  });
}

function stressSeries(person: Person, plan: DayPlan, momentAt: (atMs: number) => Moment): Sample[] {
  const random = dayRandom(person, plan.date, 'stress');
  const asleep = nightOf(person, plan.date).stress;
  const awake = random.between(24, 40);
  const follow = smoother(random, 5);
  return series(plan, 3, (atMs) => {
    const moment = momentAt(atMs);
    if (moment.kind === 'exercise') return -2;
    if (moment.kind === 'recovering' && moment.part < 0.4) return -1;
    const level = follow(moment.kind === 'asleep' ? asleep : awake, 0.12);
    if (moment.kind === 'awake' && random.chance(0.06)) return -1;
    return Math.round(Math.min(99, Math.max(2, level)));
  });
}

/** Body battery at bedtime on the evening of a day. */
function bedtimeLevel(person: Person, date: CalendarDate): number {
  const tired = dayPlan(person, date).activities.reduce((sum, activity) => sum + activity.load, 0) / 20;
  return Math.round(Math.max(5, dayRandom(person, date, 'bedtime').int(22, 40) - tired));
}

function bodyBatterySeries(person: Person, plan: DayPlan): Sample[] {
  const tomorrow = addDays(plan.date, 1);
  const next = dayPlan(person, tomorrow);
  const corners: readonly Sample[] = [
    [plan.bedMs, bedtimeLevel(person, addDays(plan.date, -1))],
    [plan.wakeMs, nightOf(person, plan.date).bodyBatteryAtWake],
    ...plan.activities.flatMap((activity): Sample[] => [
      [activity.startMs, exerciseStartLevel(person, plan, activity)],
      [activity.endMs, exerciseStartLevel(person, plan, activity) - Math.round(activity.load / 12)],
    ]),
    [next.bedMs, bedtimeLevel(person, plan.date)],
    [next.wakeMs, nightOf(person, tomorrow).bodyBatteryAtWake],
  ];
  return series(plan, 3, (atMs) => Math.round(Math.max(5, between(corners, atMs))));
}

/** Level when the exercise starts: on the straight line from waking up to bedtime. */
function exerciseStartLevel(person: Person, plan: DayPlan, activity: PlannedActivity): number {
  const wake = nightOf(person, plan.date).bodyBatteryAtWake;
  const part = (activity.startMs - plan.wakeMs) / (plan.endMs - plan.wakeMs);
  return Math.round(wake + (bedtimeLevel(person, plan.date) - wake) * part * 0.7);
}

function between(corners: readonly Sample[], atMs: number): number {
  const after = corners.findIndex(([cornerMs]) => cornerMs > atMs);
  const right = corners[after] ?? corners[corners.length - 1] ?? [atMs, 0];
  const left = corners[after - 1] ?? right;
  if (right[0] === left[0]) return right[1];
  return left[1] + ((right[1] - left[1]) * (atMs - left[0])) / (right[0] - left[0]);
}

function respirationSeries(person: Person, plan: DayPlan, momentAt: (atMs: number) => Moment): Sample[] {
  const random = dayRandom(person, plan.date, 'breath');
  const asleep = nightOf(person, plan.date).respiration;
  const follow = smoother(random, 0.7);
  return series(plan, 2, (atMs) => {
    const { kind } = momentAt(atMs);
    if (kind === 'exercise') return -2;
    const target = kind === 'asleep' ? asleep : kind === 'recovering' ? 20 : 15;
    return Math.max(6, Math.round(follow(target, 0.3)));
  });
}

const RUNNING_STEPS_PER_MINUTE = 164;

function stepSeries(person: Person, plan: DayPlan, momentAt: (atMs: number) => Moment): Sample[] {
  const random = dayRandom(person, plan.date, 'steps');
  const busy = random.between(0.6, 1.5);
  return series(plan, 15, (atMs) => {
    const moment = momentAt(atMs + 7 * MINUTE_MS);
    if (moment.kind === 'asleep') return 0;
    if (moment.kind === 'exercise') {
      return moment.activity.sport === 'running' ? RUNNING_STEPS_PER_MINUTE * 15 + random.int(-60, 60) : 0;
    }
    return random.chance(0.45) ? Math.round(random.between(20, 420) * busy) : 0;
  });
}

export const signalsOf = oncePerDay((person: Person, date: CalendarDate): Signals => {
  const plan = dayPlan(person, date);
  const momentAt = momentsOf(person, plan);
  return {
    heartRate: heartRateSeries(person, plan, momentAt),
    stress: stressSeries(person, plan, momentAt),
    bodyBattery: bodyBatterySeries(person, plan),
    respiration: respirationSeries(person, plan, momentAt),
    steps: stepSeries(person, plan, momentAt),
  };
});
