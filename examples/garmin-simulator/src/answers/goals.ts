import { addDays, eachDay, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { FIRST_DAY } from '../person/person.ts';
import { knownActivities } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { badRequest, ok, page, sum, wholeNumber } from './answer.ts';
import type { Answerer } from './answer.ts';

/** Kilometres run from the first of these days to the second, at most up to yesterday. */
export function kilometersRun(view: View, start: CalendarDate, end: CalendarDate): number {
  const yesterday = addDays(view.today, -1);
  const days = eachDay(start < FIRST_DAY ? FIRST_DAY : start, end > yesterday ? yesterday : end);
  const runs = knownActivities(view, days).filter(({ sport }) => sport === 'running');
  return Math.round(sum(runs.map(({ distanceMeters }) => distanceMeters)) / 100) / 10;
}

/** One goal a calendar year: so many kilometres run. Progress counts whole days only, so it holds all day. */
function yearGoal(view: View, year: number) {
  const [startDate, endDate] = [`${year}-01-01`, `${year}-12-31`];
  return {
    id: 70_000_000 + year,
    userProfilePk: view.person.profileId,
    goalName: `Run ${1000 + (year % 3) * 100} km in ${year}`,
    userGoalCategory: { userGoalCategoryPk: 2, userGoalCategoryKey: 'distance' },
    userGoalType: { userGoalTypePk: 4, userGoalTypeKey: 'totalDistance' },
    startDate,
    endDate,
    goalValue: (1000 + (year % 3) * 100) * 1000,
    goalProgress: Math.round(kilometersRun(view, startDate, endDate) * 1000),
    activityTypePk: 1,
    trackingPeriodType: 'CUSTOM',
    rulePk: 2,
    createDate: isoStamp(view.person.zone.instantOf(startDate, 9 * 60)),
    updateDate: isoStamp(view.person.zone.instantOf(startDate, 9 * 60)),
  };
}

function goalsOf(view: View, status: string) {
  const year = Number(view.today.slice(0, 4));
  const first = Number(FIRST_DAY.slice(0, 4));
  if (status === 'active') return year < first ? [] : [yearGoal(view, year)];
  if (status !== 'past') return [];
  return Array.from({ length: Math.max(0, year - first) }, (_, index) => yearGoal(view, first + index));
}

/** Two silent traps of the real service: pages start at 1, and without the browser's header nothing comes. */
export const goals: Answerer = ({ view, query, headers }) => {
  const { status } = query;
  if (status === undefined) return badRequest('userId and status cant be null');
  const start = wholeNumber(query['start'], 0);
  if (headers['sec-fetch-site'] !== 'same-origin' || start < 1) return ok([]);
  return ok(page(goalsOf(view, status), start - 1, Math.min(30, wholeNumber(query['limit'], 30))));
};
