import * as achievements from './answers/achievements.ts';
import { activities } from './answers/activities.ts';
import { FORBIDDEN } from './answers/answer.ts';
import type { Answerer } from './answers/answer.ts';
import { devices, gear, lastUsedDevice } from './answers/belongings.ts';
import { respiration, spo2 } from './answers/breathing.ts';
import { menstrualCalendar, pregnancySnapshot } from './answers/cycle.ts';
import * as fitness from './answers/fitness.ts';
import { goals } from './answers/goals.ts';
import { heartRate, restingHeartRate } from './answers/heart.ts';
import { hrvDay, hrvRange } from './answers/hrv.ts';
import { bloodPressure, hydrationRange } from './answers/intake.ts';
import { lactateThreshold } from './answers/lactate-threshold.ts';
import { intensityDay, intensityRange, stepsRange } from './answers/movement.ts';
import { settings, socialProfile, userSettings } from './answers/profile.ts';
import { dailySummaries } from './answers/daily-summaries.ts';
import { sleepRange, sleepScoreRange } from './answers/sleep-range.ts';
import { sleepAlone, sleepWithSeries } from './answers/sleep.ts';
import { bodyBattery, stress, stressRange } from './answers/stress.ts';
import { trainingReadiness } from './answers/training-readiness.ts';
import { trainingStatusReport } from './answers/training-status-report.ts';
import { trainingStatus } from './answers/training-status.ts';
import { userSummary } from './answers/user-summary.ts';
import { bodyComposition, weightDay, weightRange } from './answers/weight.ts';
import { trainingPlans, workouts } from './answers/workouts.ts';

/** Who the person is: answered the same in both modes. */
const PERSON_ROUTES: Readonly<Record<string, Answerer>> = {
  '/userprofile-service/socialProfile': socialProfile,
  '/userprofile-service/userprofile/settings': settings,
  '/userprofile-service/userprofile/user-settings': userSettings,
  '/device-service/deviceservice/mylastused': lastUsedDevice,
};

/** `:name` is one segment of the path; `:displayName?` may be left out, and must be the person's own when sent. */
const DATA_ROUTES: Readonly<Record<string, Answerer>> = {
  '/usersummary-service/usersummary/daily/:displayName?': userSummary,
  '/usersummary-service/stats/daily/:start/:end': dailySummaries,
  '/usersummary-service/stats/steps/daily/:start/:end': stepsRange,
  '/wellness-service/wellness/dailySleepData/:displayName?': sleepWithSeries,
  '/sleep-service/sleep/dailySleepData/:displayName?': sleepAlone,
  '/sleep-service/stats/sleep/daily/:start/:end': sleepRange,
  '/wellness-service/stats/daily/sleep/score/:start/:end': sleepScoreRange,
  '/wellness-service/wellness/dailyHeartRate/:displayName?': heartRate,
  '/userstats-service/wellness/daily/:displayName?': restingHeartRate,
  '/wellness-service/wellness/dailyStress/:day': stress,
  '/usersummary-service/stats/stress/daily/:start/:end': stressRange,
  '/wellness-service/wellness/bodyBattery/reports/daily': bodyBattery,
  '/wellness-service/wellness/daily/respiration/:day': respiration,
  '/wellness-service/wellness/daily/spo2/:day': spo2,
  '/wellness-service/wellness/daily/im/:day': intensityDay,
  '/hrv-service/hrv/daily/:start/:end': hrvRange,
  '/hrv-service/hrv/:day': hrvDay,
  '/usersummary-service/stats/im/daily/:start/:end': intensityRange,
  '/weight-service/weight/range/:start/:end': weightRange,
  '/weight-service/weight/dayview/:day': weightDay,
  '/weight-service/weight/dateRange': bodyComposition,
  '/usersummary-service/stats/hydration/daily/:start/:end': hydrationRange,
  '/bloodpressure-service/bloodpressure/range/:start/:end': bloodPressure,
  '/periodichealth-service/menstrualcycle/calendar/:start/:end': menstrualCalendar,
  '/periodichealth-service/menstrualcycle/pregnancysnapshot': pregnancySnapshot,
  '/activitylist-service/activities/search/activities': activities,
  '/metrics-service/metrics/trainingstatus/aggregated/:day': trainingStatus,
  '/mobile-gateway/usersummary/trainingstatus/weekly/:start/:end': trainingStatusReport,
  '/metrics-service/metrics/trainingreadiness/:day': trainingReadiness,
  '/metrics-service/metrics/maxmet/daily/:start/:end': fitness.maxMetrics,
  '/metrics-service/metrics/racepredictions/daily/:displayName?': fitness.racePredictions,
  '/metrics-service/metrics/hillscore/stats': fitness.hillScoreRange,
  '/metrics-service/metrics/hillscore': fitness.hillScoreDay,
  '/metrics-service/metrics/endurancescore/stats': fitness.enduranceScoreRange,
  '/metrics-service/metrics/endurancescore': fitness.enduranceScoreDay,
  '/biometric-service/stats/:series/range/:start/:end': lactateThreshold,
  '/workout-service/workouts': workouts,
  '/trainingplan-service/trainingplan/plans': trainingPlans,
  '/device-service/deviceregistration/devices': devices,
  '/gear-service/gear/filterGear': gear,
  '/goal-service/goal/goals': goals,
  '/badge-service/badge/earned': achievements.earnedBadges,
  '/adhocchallenge-service/adHocChallenge/historical': achievements.adHocChallenges,
  '/badgechallenge-service/badgeChallenge/completed': achievements.completedChallenges,
  '/badgechallenge-service/badgeChallenge/available': achievements.availableChallenges,
  '/badgechallenge-service/badgeChallenge/non-completed': achievements.unfinishedChallenges,
  '/badgechallenge-service/virtualChallenge/inProgress': achievements.virtualChallenges,
};

interface Match {
  readonly answer: Answerer;
  readonly params: Readonly<Record<string, string>>;
}

function expression(pattern: string): RegExp {
  const source = pattern.replace(/\/:(\w+)\?/g, '(?:/(?<$1>[^/]+))?').replace(/:(\w+)/g, '(?<$1>[^/]+)');
  return new RegExp(`^${source}/?$`);
}

const compile = (routes: Readonly<Record<string, Answerer>>) =>
  Object.entries(routes).map(([pattern, answer]) => ({ expression: expression(pattern), answer }));

const PERSON_TABLE = compile(PERSON_ROUTES);
const DATA_TABLE = compile(DATA_ROUTES);

function find(table: ReturnType<typeof compile>, path: string): Match | undefined {
  for (const { expression: shape, answer } of table) {
    const groups = shape.exec(path)?.groups;
    if (groups === undefined && !shape.test(path)) continue;
    const sent = Object.entries(groups ?? {}).filter(([, value]) => value !== undefined);
    return { answer, params: Object.fromEntries(sent) };
  }
  return undefined;
}

export const findPersonRoute = (path: string): Match | undefined => find(PERSON_TABLE, path);

/** Another person's name in the path is refused, as Garmin refuses it. */
export function findDataRoute(path: string): Match | undefined {
  const match = find(DATA_TABLE, path);
  if (match === undefined) return undefined;
  const { displayName } = match.params;
  if (displayName === undefined) return match;
  return {
    params: match.params,
    answer: (ask) =>
      decodeURIComponent(displayName) === ask.view.person.displayName ? match.answer(ask) : FORBIDDEN,
  };
}
