import { eachDay, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { FIRST_DAY, dayRandom } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { isEntered } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { forRange, ok } from './answer.ts';

const HYDRATION_GOAL_ML = 2800;

/** The person logs water on three days in five, in one go after dinner. */
function millilitresOn(view: View, date: CalendarDate): number | null {
  const random = dayRandom(view.person, date, 'water');
  const logged = random.chance(0.6) && isEntered(view, view.person.zone.instantOf(date, 20 * 60 + 10));
  return logged ? random.int(5, 13) * 250 : null;
}

export const hydrationRange = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, { start, end }) =>
  ok(
    eachDay(start, end)
      .filter((date) => date >= FIRST_DAY && date <= view.today)
      .map((date) => ({
        calendarDate: date,
        valueInML: millilitresOn(view, date),
        goalInML: HYDRATION_GOAL_ML,
      })),
  ),
);

function category(systolic: number, diastolic: number): { category: number; categoryName: string } {
  if (systolic < 120 && diastolic < 80) return { category: 1, categoryName: 'NORMAL' };
  if (systolic < 130 && diastolic < 85) return { category: 2, categoryName: 'HIGH_NORMAL' };
  return { category: 3, categoryName: 'STAGE_1_HIGH' };
}

/** Now and then, in the evening. */
function bloodPressureOn(person: Person, date: CalendarDate) {
  const random = dayRandom(person, date, 'pressure');
  if (date < FIRST_DAY || !random.chance(1 / 9)) return undefined;
  const atMs = person.zone.instantOf(date, random.int(20 * 60, 20 * 60 + 50)) + random.int(0, 59) * 1000;
  const [systolic, diastolic] = [random.int(108, 131), random.int(66, 84)];
  return { atMs, systolic, diastolic, pulse: random.int(54, 68) };
}

function pressureSummary(view: View, date: CalendarDate) {
  const measured = bloodPressureOn(view.person, date);
  if (measured === undefined || !isEntered(view, measured.atMs)) return [];
  const { atMs, systolic, diastolic, pulse } = measured;
  const measurement = {
    version: atMs,
    systolic,
    diastolic,
    pulse,
    multiMeasurement: false,
    notes: null,
    sourceType: 'MANUAL',
    measurementTimestampLocal: isoStamp(view.person.zone.toLocal(atMs)),
    measurementTimestampGMT: isoStamp(atMs),
    ...category(systolic, diastolic),
  };
  return [
    {
      startDate: date,
      endDate: date,
      highSystolic: systolic,
      lowSystolic: systolic,
      highDiastolic: diastolic,
      lowDiastolic: diastolic,
      numOfMeasurements: 1,
      ...category(systolic, diastolic),
      measurements: [measurement],
    },
  ];
}

export const bloodPressure = forRange({ start: 'start', end: 'end', maxDays: 365 }, (view, { start, end }) =>
  ok({
    from: start,
    until: end,
    measurementSummaries: eachDay(start, end)
      .flatMap((date) => pressureSummary(view, date))
      .toReversed(),
    categoryStats: null,
  }),
);
