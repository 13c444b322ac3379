import { addDays, dayNumber, eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { FIRST_DAY, dayRandom } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import type { View } from '../person/view.ts';
import { NO_CONTENT, badRequest, forRange, ok } from './answer.ts';
import type { Answerer, DayRange } from './answer.ts';

/** Whole weeks keep the calendar a matter of counting days: no history is needed to place a cycle. */
const CYCLE_DAYS = 28;
const NOT_SET_UP = badRequest('MCT settings were not found');

function cycleStarts(person: Person, { start, end }: DayRange): CalendarDate[] {
  const offset = dayRandom(person, FIRST_DAY, 'cycle').int(0, CYCLE_DAYS - 1);
  return eachDay(addDays(start, 1 - CYCLE_DAYS), end).filter(
    (date) => date >= FIRST_DAY && (dayNumber(date) + offset) % CYCLE_DAYS === 0,
  );
}

function cycleSummary(view: View, startDate: CalendarDate) {
  return {
    startDate,
    periodLength: dayRandom(view.person, startDate, 'cycle').int(4, 6),
    predictedCycle: startDate > view.today,
    fertileWindowStart: 11,
    lengthOfFertileWindow: 6,
    lutealPhaseStart: 17,
    cycleType: 'REGULAR',
    predictedCycleLength: CYCLE_DAYS,
  };
}

const calendar = forRange(
  { start: 'start', end: 'end', maxDays: 93, tooLong: 'Exceeded max date difference (92 days)' },
  (view, range) => {
    const past = eachDay(range.start, range.end).filter((date) => date < view.today && date >= FIRST_DAY);
    return ok({
      cycleSummaries: cycleStarts(view.person, range).map((date) => cycleSummary(view, date)),
      loggedSymptomDays: past.filter((date) => dayRandom(view.person, date, 'symptoms').chance(1 / 3)),
      loggedOvulationDays: [],
      loggedNoteDays: [],
    });
  },
);

export const menstrualCalendar: Answerer = (ask) =>
  ask.view.person.features.menstrual ? calendar(ask) : NOT_SET_UP;

export const pregnancySnapshot: Answerer = () => NO_CONTENT;
