import { MINUTE_MS, addDays } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { Random } from '../prng.ts';
import { dayPlan } from './day-plan.ts';
import type { DayPlan, PlannedActivity } from './day-plan.ts';
import { nightOf } from './night.ts';
import { bodyBatterySeries } from './body-battery.ts';
import { dayRandom, oncePerDay } from './person.ts';
import type { Person } from './person.ts';
import { series } from './samples.ts';
import type { Sample } from './samples.ts';

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

/** A tense spell of the waking day: a meeting, a queue, a coffee too many. */
interface TenseSpell {
  readonly startMs: number;
  readonly endMs: number;
  readonly level: number;
}

function tenseSpells(random: Random, plan: DayPlan): TenseSpell[] {
  return Array.from({ length: random.int(2, 6) }, () => {
    const startMs = plan.startMs + random.int(8 * 60, 21 * 60) * MINUTE_MS;
    return { startMs, endMs: startMs + random.int(12, 55) * MINUTE_MS, level: random.int(55, 92) };
  });
}

function stressSeries(person: Person, plan: DayPlan, momentAt: (atMs: number) => Moment): Sample[] {
  const random = dayRandom(person, plan.date, 'stress');
  const asleep = nightOf(person, plan.date).stress;
  const awake = random.between(22, 34);
  const tense = tenseSpells(random, plan);
  const follow = smoother(random, 6);
  return series(plan, 3, (atMs) => {
    const moment = momentAt(atMs);
    if (moment.kind === 'exercise') return -2;
    if (moment.kind === 'recovering' && moment.part < 0.4) return -1;
    const spell = tense.find(({ startMs, endMs }) => atMs >= startMs && atMs < endMs);
    const level = follow(moment.kind === 'asleep' ? asleep : (spell?.level ?? awake), 0.25);
    if (moment.kind === 'awake' && random.chance(0.06)) return -1;
    return Math.round(Math.min(99, Math.max(2, level)));
  });
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

// A day of samples takes some 150 kB; the longest range that needs samples has 31 days.
const KEPT_DAYS = 40;

export const signalsOf = oncePerDay(KEPT_DAYS, (person: Person, date: CalendarDate): Signals => {
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
