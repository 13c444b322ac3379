import { eachDay, mondayOf } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { PlannedActivity } from '../person/day-plan.ts';
import { hasBegun, wornDay } from '../person/view.ts';
import type { View, WornDay } from '../person/view.ts';
import { dayFrame, forDay, forRange, ok, sum } from './answer.ts';

const STEP_METERS = 0.84;
const WEEKLY_MINUTES_GOAL = 150;

export interface Movement {
  readonly steps: number;
  readonly distanceMeters: number;
  readonly moderateMinutes: number;
  readonly vigorousMinutes: number;
}

/** Minutes of one exercise that count, split as the watch splits them. */
export function intensityOf(activity: PlannedActivity): { moderate: number; vigorous: number } {
  const minutes = Math.floor(activity.durationSeconds / 60);
  const vigorous = Math.round(minutes * (activity.averageHeartRate >= 140 ? 0.86 : 0.42));
  return { moderate: minutes - vigorous, vigorous };
}

export function movementOf(day: WornDay): Movement {
  const steps = sum(day.signals.steps.map(([, count]) => count));
  const intensity = day.activities.map(intensityOf);
  return {
    steps,
    distanceMeters: Math.round(steps * STEP_METERS),
    moderateMinutes: sum(intensity.map(({ moderate }) => moderate)) + (steps > 9000 ? 14 : 0),
    vigorousMinutes: sum(intensity.map(({ vigorous }) => vigorous)),
  };
}

export const stepsRange = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, { start, end }) =>
  ok(
    eachDay(start, end)
      .filter((date) => hasBegun(view, date))
      .map((date) => {
        const day = wornDay(view, date);
        const movement = day && movementOf(day);
        return {
          calendarDate: date,
          totalSteps: movement?.steps ?? null,
          totalDistance: movement?.distanceMeters ?? null,
          stepGoal: view.person.stepGoal,
        };
      }),
  ),
);

export const intensityRange = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, { start, end }) =>
  ok(
    eachDay(start, end)
      .filter((date) => hasBegun(view, date))
      .map((date) => {
        const day = wornDay(view, date);
        const movement = day && movementOf(day);
        return {
          calendarDate: date,
          weeklyGoal: WEEKLY_MINUTES_GOAL,
          moderateValue: movement?.moderateMinutes ?? null,
          vigorousValue: movement?.vigorousMinutes ?? null,
        };
      }),
  ),
);

function weekSoFar(view: View, date: CalendarDate): { moderate: number; vigorous: number } {
  const movements = eachDay(mondayOf(date), date).flatMap((day) => {
    const worn = wornDay(view, day);
    return worn === undefined ? [] : [movementOf(worn)];
  });
  return {
    moderate: sum(movements.map(({ moderateMinutes }) => moderateMinutes)),
    vigorous: sum(movements.map(({ vigorousMinutes }) => vigorousMinutes)),
  };
}

/** Vigorous minutes count twice. */
const total = (moderate: number, vigorous: number): number => moderate + 2 * vigorous;

export const intensityDay = forDay('day', (view, date) => {
  const day = wornDay(view, date);
  const week = weekSoFar(view, date);
  const today = day === undefined ? { moderateMinutes: 0, vigorousMinutes: 0 } : movementOf(day);
  const weekTotal = total(week.moderate, week.vigorous);
  const values = day?.activities.map((activity) => {
    const { moderate, vigorous } = intensityOf(activity);
    return [activity.endMs, total(moderate, vigorous)];
  });
  return ok({
    ...dayFrame(view.person, date, day?.untilMs),
    weeklyModerate: week.moderate,
    weeklyVigorous: week.vigorous,
    weeklyTotal: weekTotal,
    weekGoal: WEEKLY_MINUTES_GOAL,
    dayOfGoalMet: null,
    startDayMinutes: weekTotal - total(today.moderateMinutes, today.vigorousMinutes),
    endDayMinutes: weekTotal,
    moderateMinutes: today.moderateMinutes,
    vigorousMinutes: today.vigorousMinutes,
    imValueDescriptorsDTOList: [
      { key: 'timestamp', index: 0 },
      { key: 'value', index: 1 },
    ],
    imValuesArray: values ?? [],
  });
});
