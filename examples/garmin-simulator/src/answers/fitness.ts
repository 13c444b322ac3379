import { eachDay, mondayOf } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { fitnessOn } from '../person/day-plan.ts';
import { wander } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { knownActivities, wornDay } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { NO_CONTENT, forDay, forRange, mean, ok } from './answer.ts';
import type { DayRange } from './answer.ts';
import { hasTrained, trainingLoad } from './training-load.ts';

const YEAR = 365;

export function vo2Estimate(person: Person, date: CalendarDate) {
  const precise = Math.round(fitnessOn(person, date) * 10) / 10;
  return {
    userId: person.profileId,
    generic: {
      calendarDate: date,
      vo2MaxPreciseValue: precise,
      vo2MaxValue: Math.round(precise),
      fitnessAge: null,
      fitnessAgeDescription: null,
      maxMetCategory: 0,
    },
    cycling: null,
    heatAltitudeAcclimation: null,
  };
}

/** Was a run of that day synced already? */
export const ranOn = (view: View, date: CalendarDate): boolean =>
  knownActivities(view, [date]).some(({ sport }) => sport === 'running');

/** Only days with a new estimate are listed: the days of a run. */
export const maxMetrics = forRange({ start: 'start', end: 'end', maxDays: YEAR }, (view, { start, end }) =>
  ok(
    eachDay(start, end)
      .filter((date) => ranOn(view, date))
      .map((date) => vo2Estimate(view.person, date)),
  ),
);

/** Seconds for a distance, from VO2 max; the marathon asks most of a small change. */
function racePrediction(person: Person, date: CalendarDate) {
  const fitness = fitnessOn(person, date);
  const seconds = (atFifty: number): number => Math.round(atFifty * (1 + (50 - fitness) * 0.018));
  return {
    userId: person.profileId,
    calendarDate: date,
    time5K: seconds(1255),
    time10K: seconds(2640),
    timeHalfMarathon: seconds(5925),
    timeMarathon: seconds(12_900),
  };
}

export const racePredictions = forRange(
  { start: 'fromCalendarDate', end: 'toCalendarDate', maxDays: 366 },
  (view, { start, end }) =>
    ok(
      eachDay(start, end)
        .filter((date) => hasTrained(date) && wornDay(view, date) !== undefined)
        .map((date) => racePrediction(view.person, date)),
    ),
);

/** Scores stand from the morning on and are not touched again that day. */
function scored(view: View, { start, end }: DayRange): CalendarDate[] {
  return eachDay(start, end).filter((date) => hasTrained(date) && wornDay(view, date) !== undefined);
}

function hillScoreOn(person: Person, date: CalendarDate) {
  const strength = Math.round(22 + wander(person, date, 'hill-strength', 20) * 12);
  const endurance = Math.round(38 + wander(person, date, 'hill-endurance', 30) * 10);
  const precise = Math.round(fitnessOn(person, date) * 10) / 10;
  return {
    userProfilePK: person.profileId,
    deviceId: person.watchId,
    calendarDate: date,
    strengthScore: strength,
    enduranceScore: endurance,
    hillScoreClassificationId: 2,
    overallScore: Math.round((strength + endurance) / 2 + 8),
    hillScoreFeedbackPhraseId: 7,
    vo2Max: Math.round(precise),
    vo2MaxPreciseValue: precise,
    primaryTrainingDevice: true,
  };
}

export const hillScoreDay = forDay('calendarDate', (view, date) =>
  scored(view, { start: date, end: date }).length > 0 ? ok(hillScoreOn(view.person, date)) : NO_CONTENT,
);

export const hillScoreRange = forRange(
  { start: 'startDate', end: 'endDate', maxDays: YEAR },
  (view, { start, end }) => {
    const list = scored(view, { start, end }).map((date) => hillScoreOn(view.person, date));
    return ok({
      userProfilePK: view.person.profileId,
      startDate: start,
      endDate: end,
      periodAvgScore: list.length > 0 ? { [start]: mean(list.map((row) => row.overallScore)) } : {},
      maxScore: list.length > 0 ? Math.max(...list.map((row) => row.overallScore)) : null,
      hillScoreDTOList: list,
    });
  },
);

const CONTRIBUTORS = [
  { activityTypeId: null, group: 0, contribution: 71.4 },
  { activityTypeId: null, group: 1, contribution: 24.1 },
  { activityTypeId: null, group: 8, contribution: 4.5 },
];

function enduranceScoreOn(person: Person, date: CalendarDate) {
  const overall = Math.round(
    5900 + wander(person, date, 'endurance', 40) * 500 + trainingLoad(person, date).chronic,
  );
  return {
    userProfilePK: person.profileId,
    deviceId: person.watchId,
    calendarDate: date,
    overallScore: overall,
    classification: overall >= 6400 ? 3 : overall >= 5700 ? 2 : 1,
    feedbackPhrase: 12,
    primaryTrainingDevice: true,
    gaugeLowerLimit: 3500,
    classificationLowerLimitIntermediate: 5000,
    classificationLowerLimitTrained: 5700,
    classificationLowerLimitWellTrained: 6400,
    classificationLowerLimitExpert: 7100,
    classificationLowerLimitSuperior: 7800,
    classificationLowerLimitElite: 8500,
    gaugeUpperLimit: 10_000,
    contributors: CONTRIBUTORS,
  };
}

export const enduranceScoreDay = forDay('calendarDate', (view, date) =>
  scored(view, { start: date, end: date }).length > 0 ? ok(enduranceScoreOn(view.person, date)) : NO_CONTENT,
);

export const enduranceScoreRange = forRange(
  { start: 'startDate', end: 'endDate', maxDays: YEAR },
  (view, { start, end }) => {
    const rows = scored(view, { start, end }).map((date) => enduranceScoreOn(view.person, date));
    const scores = rows.map((row) => row.overallScore);
    const weeks = Map.groupBy(rows, (row) => mondayOf(row.calendarDate));
    const groups = [...weeks].map(([monday, inWeek]) => {
      const values = inWeek.map((row) => row.overallScore);
      const group = { groupAverage: mean(values), groupMax: Math.max(...values) };
      return [monday, { ...group, enduranceContributorDTOList: CONTRIBUTORS }] as const;
    });
    return ok({
      userProfilePK: view.person.profileId,
      startDate: start,
      endDate: end,
      avg: mean(scores),
      max: scores.length > 0 ? Math.max(...scores) : null,
      groupMap: Object.fromEntries(groups),
      enduranceScoreDTO: rows[rows.length - 1] ?? null,
    });
  },
);
