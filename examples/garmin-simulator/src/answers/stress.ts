import { eachDay, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { Sample } from '../person/samples.ts';
import { hasBegun, wornDay } from '../person/view.ts';
import type { View, WornDay } from '../person/view.ts';
import { dayPlan } from '../person/day-plan.ts';
import { dayFrame, forDay, forRange, mean, ok } from './answer.ts';

const SAMPLE_SECONDS = 180;
const ALGORITHM_VERSION = 3.0;

export interface StressTotals {
  readonly average: number | null;
  readonly max: number | null;
  readonly restSeconds: number;
  readonly lowSeconds: number;
  readonly mediumSeconds: number;
  readonly highSeconds: number;
  readonly activitySeconds: number;
  readonly uncategorizedSeconds: number;
}

export function stressTotals(samples: readonly Sample[]): StressTotals {
  const levels = samples.map(([, level]) => level);
  const measured = levels.filter((level) => level >= 0);
  const seconds = (low: number, high: number): number =>
    levels.filter((level) => level >= low && level <= high).length * SAMPLE_SECONDS;
  return {
    average: mean(measured),
    max: measured.length > 0 ? Math.max(...measured) : null,
    restSeconds: seconds(0, 25),
    lowSeconds: seconds(26, 50),
    mediumSeconds: seconds(51, 75),
    highSeconds: seconds(76, 100),
    activitySeconds: seconds(-2, -2),
    uncategorizedSeconds: seconds(-1, -1),
  };
}

export const stress = forDay('day', (view, date) => {
  const day = wornDay(view, date);
  const totals = stressTotals(day?.signals.stress ?? []);
  return ok({
    ...dayFrame(view.person, date, day?.untilMs),
    maxStressLevel: totals.max,
    avgStressLevel: totals.average,
    stressChartValueOffset: 1,
    stressChartYAxisOrigin: -1,
    stressValueDescriptorsDTOList: [
      { key: 'timestamp', index: 0 },
      { key: 'stressLevel', index: 1 },
    ],
    stressValuesArray: day?.signals.stress ?? [],
    bodyBatteryValueDescriptorsDTOList: [
      'timestamp',
      'bodyBatteryStatus',
      'bodyBatteryLevel',
      'bodyBatteryVersion',
    ].map((key, index) => ({ bodyBatteryValueDescriptorIndex: index, bodyBatteryValueDescriptorKey: key })),
    bodyBatteryValuesArray:
      day?.signals.bodyBattery.map(([atMs, level]) => [atMs, 'MEASURED', level, ALGORITHM_VERSION]) ?? [],
  });
});

export const stressRange = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, { start, end }) =>
  ok(
    eachDay(start, end).flatMap((date) => {
      const day = wornDay(view, date);
      if (day === undefined) return [];
      const totals = stressTotals(day.signals.stress);
      const values = {
        highStressDuration: totals.highSeconds,
        lowStressDuration: totals.lowSeconds,
        overallStressLevel: totals.average,
        restStressDuration: totals.restSeconds,
        mediumStressDuration: totals.mediumSeconds,
      };
      return [{ calendarDate: date, values }];
    }),
  ),
);

export interface BodyBatteryTotals {
  readonly charged: number;
  readonly drained: number;
  readonly highest: number;
  readonly lowest: number;
  readonly latest: number;
}

export function bodyBatteryTotals(samples: readonly Sample[]): BodyBatteryTotals {
  const levels = samples.map(([, level]) => level);
  const steps = levels.slice(1).map((level, index) => level - (levels[index] ?? level));
  return {
    charged: steps.reduce((total, step) => total + Math.max(0, step), 0),
    drained: steps.reduce((total, step) => total + Math.max(0, -step), 0),
    highest: Math.max(...levels),
    lowest: Math.min(...levels),
    latest: levels[levels.length - 1] ?? 0,
  };
}

/** The night's charge and each exercise's drain, as the summary and the body battery report list them. */
export function bodyBatteryEvents(view: View, { plan, night, activities, untilMs }: WornDay) {
  if (night.endMs > untilMs) return [];
  const timezoneOffset = view.person.zone.offsetAt(plan.startMs);
  const sleep = {
    eventType: 'SLEEP',
    eventStartTimeGmt: isoStamp(night.startMs).slice(0, 19),
    timezoneOffset,
    durationInMilliseconds: night.endMs - night.startMs,
    bodyBatteryImpact: Math.round((night.endMs - night.startMs) / 480_000),
    feedbackType: 'NONE',
    shortFeedback: 'NONE',
  };
  const exercise = activities.map((activity) => ({
    eventType: 'ACTIVITY',
    eventStartTimeGmt: isoStamp(activity.startMs).slice(0, 19),
    timezoneOffset,
    durationInMilliseconds: activity.endMs - activity.startMs,
    bodyBatteryImpact: -Math.round(activity.load / 12),
    feedbackType: 'EXERCISE_TRAINING_EFFECT_3',
    shortFeedback: 'IMPROVING_AEROBIC_ENDURANCE',
  }));
  return [sleep, ...exercise];
}

/** Only the corners of the curve, as the report has them. */
function turningPoints(samples: readonly Sample[]): readonly Sample[] {
  return samples.filter(([, level], index) => {
    const before = samples[index - 24]?.[1];
    const after = samples[index + 24]?.[1];
    if (index === 0 || index === samples.length - 1) return true;
    return (
      before !== undefined &&
      after !== undefined &&
      index % 24 === 0 &&
      (level - before) * (after - level) < 0
    );
  });
}

function bodyBatteryRow(view: View, date: CalendarDate) {
  const day = wornDay(view, date);
  const { userProfilePK: _owner, calendarDate: _date, ...frame } = dayFrame(view.person, date, day?.untilMs);
  const totals = day && bodyBatteryTotals(day.signals.bodyBattery);
  return {
    date,
    charged: totals?.charged ?? null,
    drained: totals?.drained ?? null,
    ...frame,
    bodyBatteryValuesArray: day
      ? turningPoints(day.signals.bodyBattery)
      : [[dayPlan(view.person, date).startMs, null]],
    bodyBatteryValueDescriptorDTOList: [
      { bodyBatteryValueDescriptorIndex: 0, bodyBatteryValueDescriptorKey: 'timestamp' },
      { bodyBatteryValueDescriptorIndex: 1, bodyBatteryValueDescriptorKey: 'bodyBatteryLevel' },
    ],
    bodyBatteryDynamicFeedbackEvent: null,
    bodyBatteryActivityEvent: day ? bodyBatteryEvents(view, day) : [],
    endOfDayBodyBatteryDynamicFeedbackEvent: null,
  };
}

export const bodyBattery = forRange(
  { start: 'startDate', end: 'endDate', maxDays: 31 },
  (view, { start, end }) =>
    ok(
      eachDay(start, end)
        .filter((date) => hasBegun(view, date))
        .map((date) => bodyBatteryRow(view, date)),
    ),
);
