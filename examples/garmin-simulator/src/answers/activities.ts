import { eachDay, isCalendarDate, spacedStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { PlannedActivity, Sport } from '../person/day-plan.ts';
import { fitnessOn } from '../person/day-plan.ts';
import { FIRST_DAY, dayRandom } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { knownActivities } from '../person/view.ts';
import { badRequest, ok, page, wholeNumber } from './answer.ts';
import type { Answerer } from './answer.ts';
import { intensityOf } from './movement.ts';

const SPORT: Readonly<Record<Sport, { typeId: number; parentTypeId: number; sportTypeId: number }>> = {
  running: { typeId: 1, parentTypeId: 17, sportTypeId: 1 },
  cycling: { typeId: 2, parentTypeId: 17, sportTypeId: 2 },
};

/** Garmin keeps single-precision numbers and prints them widened. */
const single = (value: number): number => Math.fround(value);

function aerobicEffect(activity: PlannedActivity): number {
  return Math.round(Math.min(5, 1.6 + activity.load / 60) * 10) / 10;
}

function identity(person: Person, activity: PlannedActivity) {
  const sport = SPORT[activity.sport];
  const { zone } = person;
  return {
    activityId: activity.activityId,
    activityName: activity.name,
    startTimeLocal: spacedStamp(zone.toLocal(activity.startMs)),
    startTimeGMT: spacedStamp(activity.startMs),
    endTimeGMT: spacedStamp(activity.endMs),
    beginTimestamp: activity.startMs,
    activityType: {
      typeId: sport.typeId,
      typeKey: activity.sport,
      parentTypeId: sport.parentTypeId,
      isHidden: false,
      restricted: false,
      trimmable: true,
    },
    eventType: { typeId: 9, typeKey: 'uncategorized', sortOrder: 10 },
    sportTypeId: sport.sportTypeId,
    ownerId: person.profileId,
    ownerDisplayName: person.displayName,
    ownerFullName: person.fullName,
    deviceId: person.watchId,
    manufacturer: 'GARMIN',
    timeZoneId: 149,
    privacy: { typeId: 2, typeKey: 'private' },
    userRoles: ['SCOPE_CONNECT_READ', 'ROLE_CONNECTUSER', 'ROLE_FITNESS_USER'],
  };
}

function effort(person: Person, date: CalendarDate, activity: PlannedActivity) {
  const intensity = intensityOf(activity);
  const vo2 = activity.sport === 'running' ? { vO2MaxValue: Math.round(fitnessOn(person, date)) } : {};
  return {
    calories: Math.round(activity.load * 5.6),
    bmrCalories: Math.round(activity.durationSeconds / 48),
    averageHR: activity.averageHeartRate,
    maxHR: activity.maxHeartRate,
    aerobicTrainingEffect: single(aerobicEffect(activity)),
    anaerobicTrainingEffect: single(activity.name.endsWith('Intervals') ? 1.4 : 0),
    trainingEffectLabel: activity.name.endsWith('Intervals') ? 'LACTATE_THRESHOLD' : 'AEROBIC_BASE',
    activityTrainingLoad: single(activity.load * 1.01),
    ...vo2,
    moderateIntensityMinutes: intensity.moderate,
    vigorousIntensityMinutes: intensity.vigorous,
    differenceBodyBattery: -Math.round(activity.load / 12),
    waterEstimated: Math.round(activity.durationSeconds / 6),
  };
}

function zones(activity: PlannedActivity) {
  const hard = activity.name.endsWith('Intervals');
  const shares = hard ? [0.08, 0.24, 0.3, 0.3, 0.08] : [0.12, 0.58, 0.26, 0.04, 0];
  return Object.fromEntries(
    shares.map((share, index) => [
      `hrTimeInZone_${index + 1}`,
      Math.round(activity.durationSeconds * share * 1000) / 1000,
    ]),
  );
}

function ground(person: Person, date: CalendarDate, activity: PlannedActivity) {
  const random = dayRandom(person, date, `ground-${activity.activityId}`);
  const speed = activity.distanceMeters / activity.durationSeconds;
  const climb = Math.round(activity.distanceMeters / random.int(90, 240));
  const moving = activity.durationSeconds - random.int(2, 40);
  const latitude = random.between(30, 31);
  const longitude = random.between(120, 121);
  return {
    distance: single(activity.distanceMeters + random.next()),
    duration: single(activity.durationSeconds + 0.326),
    elapsedDuration: single(activity.durationSeconds + 2.4),
    movingDuration: moving,
    elevationGain: climb,
    elevationLoss: Math.max(0, climb - random.int(0, 4)),
    minElevation: single(random.between(2, 8)),
    maxElevation: single(random.between(24, 70)),
    averageSpeed: single(speed),
    maxSpeed: single(speed * random.between(1.2, 1.6)),
    startLatitude: latitude,
    startLongitude: longitude,
    endLatitude: latitude + 0.0004,
    endLongitude: longitude - 0.0003,
    locationName: 'Simulated Town',
    hasPolyline: true,
    lapCount: Math.ceil(activity.distanceMeters / (activity.sport === 'running' ? 1000 : 5000)),
    minTemperature: random.int(8, 17),
    maxTemperature: random.int(18, 29),
  };
}

function cadence(person: Person, date: CalendarDate, activity: PlannedActivity) {
  const random = dayRandom(person, date, `cadence-${activity.activityId}`);
  if (activity.sport === 'cycling') {
    return { averageBikingCadenceInRevPerMinute: random.int(78, 88), avgPower: null, normPower: null };
  }
  const steps = random.int(160, 168);
  const power = random.int(255, 300);
  return {
    averageRunningCadenceInStepsPerMinute: single(steps + 0.4),
    maxRunningCadenceInStepsPerMinute: steps + random.int(10, 26),
    steps: Math.round((steps * activity.durationSeconds) / 60),
    avgPower: power,
    maxPower: power + random.int(80, 190),
    normPower: power + random.int(4, 14),
    avgStrideLength: single(random.between(98, 116)),
    avgVerticalOscillation: single(random.between(7.6, 9.4)),
    avgGroundContactTime: single(random.between(232, 268)),
  };
}

const FLAGS = Object.fromEntries(
  `hasVideo hasImages hasHeatMap autoCalcCalories favorite decoDive qualifyingDive elevationCorrected
  atpActivity purposeful manualActivity pr parent`
    .split(/\s+/)
    .map((name) => [name, false]),
);

/** One row of the activity list. */
function activityRow(person: Person, activity: PlannedActivity): Record<string, unknown> {
  const date = person.zone.dateOf(activity.startMs);
  return {
    ...identity(person, activity),
    ...ground(person, date, activity),
    ...effort(person, date, activity),
    ...cadence(person, date, activity),
    ...zones(activity),
    hasSplits: true,
    splitSummaries: [],
    ...FLAGS,
  };
}

const MAX_PAGE = 1000;

/** Newest first. Without dates every activity there is, which is how the plain list works. */
export const activities: Answerer = ({ view, query }) => {
  const { startDate = FIRST_DAY, endDate = view.today } = query;
  if (!isCalendarDate(startDate) || !isCalendarDate(endDate)) return badRequest('Invalid date');
  const limit = wholeNumber(query['limit'], 20);
  if (limit > MAX_PAGE) return badRequest(`limit should not be larger than ${MAX_PAGE}`);
  const from = startDate < FIRST_DAY ? FIRST_DAY : startDate;
  const to = endDate > view.today ? view.today : endDate;
  const list = knownActivities(view, eachDay(from, to)).toReversed();
  return ok(
    page(list, wholeNumber(query['start'], 0), limit).map((activity) => activityRow(view.person, activity)),
  );
};
