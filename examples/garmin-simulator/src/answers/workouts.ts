import { HOUR_MS, addDays, isoStamp, mondayOf } from '../calendar.ts';
import { FIRST_DAY, dayRandom } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { ok, page, wholeNumber } from './answer.ts';
import type { Answerer } from './answer.ts';

const RUNNING = { sportTypeId: 1, sportTypeKey: 'running', displayOrder: 1 };
const CYCLING = { sportTypeId: 2, sportTypeKey: 'cycling', displayOrder: 2 };

const LIBRARY = [
  { name: 'Intervals 6 x 800 m', sportType: RUNNING, minutes: 52, meters: 9600 },
  { name: 'Tempo 20 min', sportType: RUNNING, minutes: 45, meters: 8000 },
  { name: 'Easy 40 min', sportType: RUNNING, minutes: 40, meters: null },
  { name: 'Long run 16 km', sportType: RUNNING, minutes: 96, meters: 16_000 },
  { name: 'Hill repeats', sportType: RUNNING, minutes: 50, meters: null },
  { name: 'Endurance ride', sportType: CYCLING, minutes: 100, meters: null },
] as const;

const PLAN_ID = 31_000_412;

function workoutRow(person: Person, index: number) {
  const workout = LIBRARY[index] ?? LIBRARY[0];
  const created = addDays(FIRST_DAY, 9 + index * 17);
  const createdDate = isoStamp(person.zone.instantOf(created, 0) + 11 * HOUR_MS);
  return {
    workoutId: 1_100_000_000 + dayRandom(person, created, 'workout').int(0, 899_999) * 10 + index,
    ownerId: person.profileId,
    workoutName: workout.name,
    description: null,
    updateDate: createdDate,
    createdDate,
    sportType: workout.sportType,
    trainingPlanId: null,
    author: { userProfilePk: person.profileId, displayName: person.displayName, fullName: person.fullName },
    estimatedDurationInSecs: workout.minutes * 60,
    estimatedDistanceInMeters: workout.meters,
    estimateType: null,
    poolLength: 0,
    workoutProvider: null,
    workoutSourceId: null,
    consumer: null,
    atpPlanId: null,
    workoutNameI18nKey: null,
    descriptionI18nKey: null,
    shared: false,
    estimated: true,
  };
}

export const workouts: Answerer = ({ view, query }) => {
  const rows = LIBRARY.map((_, index) => workoutRow(view.person, index));
  return ok(page(rows, wholeNumber(query['start'], 0), Math.min(100, wholeNumber(query['limit'], 20))));
};

/** One plan of twelve weeks a year, always the one begun on the first Monday of this year's spring. */
export const trainingPlans: Answerer = ({ view }) => {
  const start = mondayOf(`${view.today.slice(0, 4)}-03-07`);
  const plan = {
    trainingPlanId: PLAN_ID + Number(start.slice(0, 4)),
    name: 'Simulated Half Marathon Plan',
    description: null,
    trainingPlanCategory: 'PHASED',
    trainingType: { typeId: 1, typeKey: 'Running' },
    trainingSubType: { subTypeId: 4, subTypeKey: 'HalfMarathon' },
    trainingLevel: { levelId: 2, levelKey: 'Intermediate' },
    trainingVersion: { versionId: 1, versionName: 'HeartRate' },
    durationInWeeks: 12,
    avgWeeklyWorkouts: 4,
    startDate: `${start}T00:00:00.0`,
    endDate: `${addDays(start, 83)}T00:00:00.0`,
    locale: 'en-US',
    ownerId: view.person.profileId,
  };
  const trainingPlanList = start > FIRST_DAY && start <= view.today ? [plan] : [];
  return ok({ trainingPlanList, searchFilter: {}, calendarWorkouts: null });
};
