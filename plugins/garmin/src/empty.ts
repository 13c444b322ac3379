import type { JsonValue } from '@on-the-way/sdk';
import { hasAny, isFilled, isObject, listOf, memberOf } from './json-shape.ts';

/** True when a record's data says nothing, so that no record is made of it. */
export type EmptyTest = (data: JsonValue) => boolean;

const isNothing: EmptyTest = (data) => !isFilled(data);

/** Empty when none of the members is filled. */
const lacks =
  (...keys: string[]): EmptyTest =>
  (data) =>
    !hasAny(data, keys);

/** Empty when the list under the key has no filled row. */
const lacksRows =
  (key: string): EmptyTest =>
  (data) =>
    !listOf(memberOf(data, key)).some(isFilled);

/** Empty when the list has no row that passes. */
const lacksAnyRow =
  (isRowEmpty: EmptyTest): EmptyTest =>
  (data) =>
    listOf(data).every(isRowEmpty);

const isZeroOrNothing = (value: JsonValue) => value === 0 || !isFilled(value);

/** Pairs of time and reading, such as `[1751863648000, 62]`, with a reading in any. */
function hasReading(pairs: JsonValue): boolean {
  return listOf(pairs).some((pair) => listOf(pair).slice(1).some(isFilled));
}

const summaryMeasures = [
  'totalSteps',
  'totalKilocalories',
  'activeKilocalories',
  'consumedKilocalories',
  'totalDistanceMeters',
  'highlyActiveSeconds',
  'activeSeconds',
  'sedentarySeconds',
  'sleepingSeconds',
  'moderateIntensityMinutes',
  'vigorousIntensityMinutes',
  'floorsAscended',
  'floorsDescended',
  'minHeartRate',
  'maxHeartRate',
  'restingHeartRate',
  'averageStressLevel',
  'maxStressLevel',
  'bodyBatteryHighestValue',
  'bodyBatteryLowestValue',
  'averageSpo2',
  'lowestSpo2',
  'avgWakingRespirationValue',
  'latestRespirationValue',
];
const summaryFlags = ['includesWellnessData', 'includesActivityData', 'includesCalorieConsumedData'];

function isUserSummaryEmpty(data: JsonValue): boolean {
  const measures = summaryMeasures.map((key) => memberOf(data, key));
  if (summaryFlags.some((key) => memberOf(data, key) === true)) return !measures.some(isFilled);
  return measures.every(isZeroOrNothing);
}

const nightMeasures = [
  'sleepTimeSeconds',
  'napTimeSeconds',
  'sleepStartTimestampGMT',
  'deepSleepSeconds',
  'lightSleepSeconds',
  'remSleepSeconds',
  'awakeSleepSeconds',
  'dailyNapDTOS',
];
/** The readings of a night in `sleep`; any of them tells that a night was measured. */
export const nightDetails = [
  'sleepMovement',
  'sleepLevels',
  'sleepHeartRate',
  'sleepStress',
  'sleepBodyBattery',
  'hrvData',
];

function isSleepEmpty(data: JsonValue): boolean {
  const night = memberOf(data, 'dailySleepDTO');
  if (isFilled(memberOf(night, 'id'))) return false;
  const hasMeasure = nightMeasures.some((key) => !isZeroOrNothing(memberOf(night, key)));
  return !hasMeasure && !hasAny(data, nightDetails);
}

const heartRates = ['restingHeartRate', 'maxHeartRate', 'minHeartRate', 'lastSevenDaysAvgRestingHeartRate'];

function isHeartRateEmpty(data: JsonValue): boolean {
  // Values of all day can be missing from old days while the four summary values stay.
  if (hasReading(memberOf(data, 'heartRateValues'))) return false;
  return heartRates.every((key) => isZeroOrNothing(memberOf(data, key)));
}

/** Rows of `metricsMap` and the like: a row counts when its value is there. */
function hasMetric(value: JsonValue | undefined): boolean {
  if (Array.isArray(value)) return value.some((row) => isFilled(memberOf(row, 'value')) || hasMetric(row));
  return isObject(value) && Object.values(value).some(hasMetric);
}

function isRestingHeartRateEmpty(data: JsonValue): boolean {
  return !hasMetric(memberOf(data, 'allMetrics')) && !hasMetric(memberOf(data, 'groupedMetrics'));
}

function isStressEmpty(data: JsonValue): boolean {
  // -1 and -2 stand for "no reading".
  const hasLevel = ['avgStressLevel', 'maxStressLevel'].some((key) => Number(memberOf(data, key) ?? 0) > 0);
  return !hasLevel && !hasAny(data, ['stressValuesArray', 'bodyBatteryValuesArray']);
}

function isBodyBatteryEmpty(entry: JsonValue): boolean {
  const hasSum = hasAny(entry, ['charged', 'drained', 'bodyBatteryActivityEvent']);
  return !hasSum && !hasReading(memberOf(entry, 'bodyBatteryValuesArray'));
}

function isTrainingStatusEmpty(data: JsonValue): boolean {
  const status = memberOf(data, 'mostRecentTrainingStatus');
  const balance = memberOf(data, 'mostRecentTrainingLoadBalance');
  const maxMet = memberOf(data, 'mostRecentVO2Max');
  return (
    !hasAny(status, ['latestTrainingStatusData', 'payload']) &&
    !hasAny(balance, ['metricsTrainingLoadBalanceDTOMap', 'payload']) &&
    !hasAny(maxMet, ['generic', 'cycling', 'payload'])
  );
}

/** One test a dataset; what it is given is the data of one record. */
export const emptyTests = {
  user_summary: isUserSummaryEmpty,
  sleep: isSleepEmpty,
  heart_rate: isHeartRateEmpty,
  resting_heart_rate: isRestingHeartRateEmpty,
  stress: isStressEmpty,
  body_battery: lacksAnyRow(isBodyBatteryEmpty),
  respiration: lacks(
    'lowestRespirationValue',
    'highestRespirationValue',
    'avgWakingRespirationValue',
    'avgSleepRespirationValue',
    'respirationValuesArray',
    'respirationAveragesValuesArray',
  ),
  spo2: lacks(
    'averageSpO2',
    'lowestSpO2',
    'latestSpO2',
    'avgSleepSpO2',
    'spO2SingleValues',
    'continuousReadingDTOList',
    'spO2HourlyAverages',
  ),
  hrv: (data) =>
    lacks('hrvReadings')(data) &&
    lacks('weeklyAvg', 'lastNightAvg', 'lastNight5MinHigh', 'baseline')(memberOf(data, 'hrvSummary')),
  intensity_minutes: lacks('moderateValue', 'vigorousValue'),
  weight: lacks('minWeight', 'maxWeight', 'latestWeight', 'allWeightMetrics'),
  body_composition: lacksRows('dateWeightList'),
  hydration: (data) =>
    !hasAny(data, ['valueInML']) &&
    ['sweatLossInML', 'activityIntakeInML'].every((key) => isZeroOrNothing(memberOf(data, key))),
  blood_pressure: (data) =>
    listOf(memberOf(data, 'measurementSummaries')).every(
      lacks('measurements', 'highSystolic', 'lowSystolic'),
    ),
  menstrual: isNothing,
  pregnancy: isNothing,
  activities: isNothing,
  training_status: isTrainingStatusEmpty,
  training_readiness: lacksAnyRow(lacks('score', 'level', 'recoveryTime', 'acuteLoad', 'sleepScore')),
  recovery_time: isNothing,
  max_metrics_vo2: isNothing,
  race_prediction: lacks('time5K', 'time10K', 'timeHalfMarathon', 'timeMarathon'),
  hill_score: lacks('overallScore', 'strengthScore', 'enduranceScore'),
  endurance_score: lacks('overallScore', 'contributors'),
  lactate_threshold: isNothing,
  workouts: isNothing,
  training_plans: lacksRows('trainingPlanList'),
  devices: isNothing,
  gear: isNothing,
  goals: isNothing,
  badges: isNothing,
  challenges: isNothing,
} satisfies Record<string, EmptyTest>;

/** Name of a dataset. */
export type DatasetName = keyof typeof emptyTests;
