import type { JsonValue } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { emptyTests, type DatasetName } from './empty.ts';

const day = '2031-03-05';
const frame = { userProfilePK: 1, calendarDate: day, startTimestampGMT: `${day}T00:00:00.0` };
const noRates = {
  restingHeartRate: null,
  maxHeartRate: null,
  minHeartRate: null,
  lastSevenDaysAvgRestingHeartRate: 0,
};

/** Shells as Garmin sends them for days it knows nothing of. */
const shells: [DatasetName, JsonValue][] = [
  ...(Object.keys(emptyTests) as DatasetName[]).flatMap((name): [DatasetName, JsonValue][] => [
    [name, null],
    [name, []],
    [name, {}],
  ]),
  [
    'user_summary',
    { ...frame, includesWellnessData: false, privacyProtected: false, totalSteps: null, source: 'GARMIN' },
  ],
  ['user_summary', { ...frame, includesWellnessData: false, totalSteps: 0, dailyStepGoal: 7500 }],
  ['user_summary', { ...frame, includesWellnessData: true, totalSteps: null, restingHeartRate: null }],
  [
    'sleep',
    {
      dailySleepDTO: { id: null, calendarDate: day, sleepTimeSeconds: null, deviceRemCapable: false },
      sleepLevels: [],
    },
  ],
  ['sleep', { dailySleepDTO: { id: null, napTimeSeconds: 0 }, sleepMovement: [], remSleepData: null }],
  ['heart_rate', { ...frame, ...noRates, heartRateValues: null }],
  [
    'heart_rate',
    {
      ...frame,
      ...noRates,
      heartRateValues: [],
      heartRateValueDescriptors: [{ key: 'timestamp', index: 0 }],
    },
  ],
  ['heart_rate', { ...frame, ...noRates, heartRateValues: [[1, null]] }],
  [
    'resting_heart_rate',
    { userProfileId: 1, statisticsStartDate: day, allMetrics: { metricsMap: {} }, groupedMetrics: null },
  ],
  [
    'resting_heart_rate',
    { allMetrics: { metricsMap: { WELLNESS_RESTING_HEART_RATE: [{ value: null, calendarDate: day }] } } },
  ],
  [
    'stress',
    {
      ...frame,
      avgStressLevel: null,
      maxStressLevel: null,
      stressValuesArray: [],
      bodyBatteryValuesArray: [],
    },
  ],
  ['stress', { ...frame, avgStressLevel: -1, maxStressLevel: -1, stressValuesArray: [] }],
  [
    'body_battery',
    [
      {
        date: day,
        charged: null,
        drained: null,
        bodyBatteryValuesArray: [
          [1, null],
          [2, null],
        ],
      },
    ],
  ],
  [
    'respiration',
    { ...frame, avgWakingRespirationValue: null, respirationValuesArray: [], respirationVersion: 100 },
  ],
  [
    'spo2',
    {
      ...frame,
      averageSpO2: null,
      lastSevenDaysAvgSpO2: 95,
      spO2HourlyAverages: null,
      continuousReadingDTOList: [],
    },
  ],
  [
    'hrv',
    { userProfilePk: 1, hrvSummary: { calendarDate: day, weeklyAvg: null, status: 'NONE' }, hrvReadings: [] },
  ],
  ['intensity_minutes', { calendarDate: day, weeklyGoal: 150, moderateValue: null, vigorousValue: null }],
  [
    'weight',
    { summaryDate: day, numOfWeightEntries: 0, latestWeight: { weight: null }, allWeightMetrics: [] },
  ],
  ['body_composition', { dateWeightList: [], totalAverage: { weight: null } }],
  ['hydration', { calendarDate: day, valueInML: null, goalInML: 2000, sweatLossInML: 0 }],
  ['blood_pressure', { measurementSummaries: [{ startDate: day, numOfMeasurements: 0, measurements: [] }] }],
  ['menstrual', { cycleSummaries: [], loggedSymptomDays: [], loggedOvulationDays: [], loggedNoteDays: [] }],
  [
    'training_status',
    { userId: 1, mostRecentVO2Max: null, mostRecentTrainingStatus: { latestTrainingStatusData: {} } },
  ],
  ['training_readiness', [{ calendarDate: day, score: null, level: null }]],
  [
    'race_prediction',
    { calendarDate: day, time5K: null, time10K: null, timeHalfMarathon: null, timeMarathon: null },
  ],
  ['hill_score', { calendarDate: day, overallScore: null }],
  ['endurance_score', { calendarDate: day, overallScore: null, contributors: [] }],
  [
    'lactate_threshold',
    { lactateThresholdSpeed: [], lactateThresholdHeartRate: [], functionalThresholdPower: [] },
  ],
  ['training_plans', { trainingPlanList: [], searchFilter: { limit: 50 } }],
  ['goals', { active: [], future: [], past: [] }],
  ['challenges', { adHoc: [], completed: [] }],
];

/** Little, but something. */
const filled: [DatasetName, JsonValue][] = [
  ['user_summary', { includesWellnessData: true, totalSteps: 0 }],
  ['user_summary', { includesWellnessData: false, consumedKilocalories: 1200 }],
  ['sleep', { dailySleepDTO: { id: 1 } }],
  ['sleep', { dailySleepDTO: { id: null, sleepTimeSeconds: 1200 } }],
  ['heart_rate', { ...noRates, heartRateValues: [[1, 62]] }],
  ['heart_rate', { ...noRates, restingHeartRate: 50, heartRateValues: null }],
  [
    'resting_heart_rate',
    { allMetrics: { metricsMap: {} }, groupedMetrics: { A: [{ value: 50, calendarDate: day }] } },
  ],
  ['resting_heart_rate', { allMetrics: { metricsMap: { A: [{ value: 50, calendarDate: day }] } } }],
  ['stress', { avgStressLevel: 30, stressValuesArray: [] }],
  ['stress', { avgStressLevel: null, stressValuesArray: [[1, -1]] }],
  ['body_battery', [{ date: day, charged: 0, drained: null }]],
  ['respiration', { lowestRespirationValue: 11 }],
  ['spo2', { averageSpO2: null, spO2HourlyAverages: [[1, 95]] }],
  ['hrv', { hrvSummary: { lastNightAvg: 40 } }],
  ['intensity_minutes', { moderateValue: 0, vigorousValue: 0 }],
  ['weight', { minWeight: 60_000 }],
  ['body_composition', { dateWeightList: [{ bodyFat: 20 }] }],
  ['hydration', { valueInML: 0 }],
  ['hydration', { valueInML: null, sweatLossInML: 300 }],
  ['blood_pressure', { measurementSummaries: [{ highSystolic: 110 }] }],
  ['menstrual', { cycleSummaries: [], loggedNoteDays: [day] }],
  ['training_status', { mostRecentVO2Max: { generic: { vo2MaxValue: 44 } } }],
  ['training_readiness', [{ score: 0 }]],
  ['endurance_score', { overallScore: 0 }],
  ['training_plans', { trainingPlanList: [{ trainingPlanId: 1 }] }],
  ['challenges', { adHoc: [], completed: [{ uuid: 'a' }] }],
];

test.each(shells)('%s without a value is empty: %j', (name, data) => {
  expect(emptyTests[name](data)).toBe(true);
});

test.each(filled)('%s with a value is not empty: %j', (name, data) => {
  expect(emptyTests[name](data)).toBe(false);
});
