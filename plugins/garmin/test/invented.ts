import { daysOf, addDays, type Day } from '@on-the-way/sdk';
import { snapshots } from './invented-snapshots.ts';
import { profile, type Handler, type Seen } from './server.ts';

/** A number that is the same for the same day, and differs between days. */
const seed = (day: Day) => (Number(day.replaceAll('-', '')) * 7919) % 997;
/** Some days have nothing, always the same ones. */
const isQuiet = (day: Day) => seed(day) % 3 === 0;

type Row = Record<string, unknown>;

function perDay<R>(from: Day, end: Day, make: (day: Day) => R | R[]): R[] {
  return daysOf({ from, to: addDays(end, 1) })
    .filter((day) => !isQuiet(day))
    .flatMap((day) => make(day))
    .toReversed();
}

const sample = (day: Day, bodyFat: number | null) => ({
  samplePk: seed(day),
  calendarDate: day,
  weight: 60_000 + seed(day),
  bodyFat,
  bodyWater: null,
  boneMass: null,
  muscleMass: null,
});

const snapshot = (day: Day, minutes: number | null) => ({
  calendarDate: day,
  timestamp: `${day}T05:00:00.0`,
  timestampLocal: `${day}T07:00:00.0`,
  deviceId: 1,
  score: seed(day) % 100,
  recoveryTime: minutes,
  recoveryTimeFactorPercent: 50,
});

/** Answers of the ranges, by the beginning of the path; the days come from path or query. */
const ranges: Record<string, (from: Day, end: Day) => unknown> = {
  '/userstats-service/wellness/daily/': (from, end) => ({
    userProfileId: profile.profileId,
    statisticsStartDate: from,
    statisticsEndDate: end,
    allMetrics: {
      metricsMap: {
        WELLNESS_RESTING_HEART_RATE: daysOf({ from, to: addDays(end, 1) }).map((day) => ({
          value: isQuiet(day) ? null : 40 + (seed(day) % 20),
          calendarDate: day,
        })),
      },
    },
    groupedMetrics: null,
  }),
  '/wellness-service/wellness/bodyBattery/reports/daily': (from, end) =>
    perDay(from, end, (day) => ({
      date: day,
      charged: seed(day),
      drained: 20,
      bodyBatteryValuesArray: [[1, 50]],
    })),
  '/usersummary-service/stats/im/daily/': (from, end) =>
    perDay(from, end, (day) => ({
      calendarDate: day,
      weeklyGoal: 150,
      moderateValue: seed(day),
      vigorousValue: 0,
    })),
  '/usersummary-service/stats/hydration/daily/': (from, end) =>
    perDay(from, end, (day) => ({ calendarDate: day, valueInML: seed(day), goalInML: 2000 })),
  '/weight-service/weight/range/': (from, end) => ({
    dailyWeightSummaries: perDay(from, end, (day) => ({
      summaryDate: day,
      numOfWeightEntries: 1,
      latestWeight: sample(day, null),
      allWeightMetrics: [sample(day, null)],
    })),
    totalAverage: { weight: 60_500 },
  }),
  '/weight-service/weight/dateRange': (from, end) => ({
    startDate: from,
    endDate: end,
    dateWeightList: perDay(from, end, (day) => [
      sample(day, 20),
      sample(day, seed(day) % 2 === 0 ? 21 : null),
    ]),
  }),
  '/bloodpressure-service/bloodpressure/range/': (from, end) => ({
    from,
    until: end,
    measurementSummaries: perDay(from, end, (day) => ({
      startDate: `${day}T00:00:00.0`,
      highSystolic: 100 + (seed(day) % 30),
      measurements: [{ systolic: 100, diastolic: 70 }],
    })),
  }),
  '/periodichealth-service/menstrualcycle/calendar/': (from, end) => ({
    // Reaches outside the window, as the real one does.
    cycleSummaries: perDay(addDays(from, -5), addDays(end, 5), (day) => ({
      startDate: day,
      periodLength: 5,
    })),
    loggedSymptomDays: perDay(from, end, (day) => ({ day })).map(({ day }) => day),
    loggedOvulationDays: [],
    loggedNoteDays: perDay(from, end, (day) => ({ day })).map(({ day }) => day),
  }),
  '/metrics-service/metrics/maxmet/daily/': (from, end) =>
    perDay(from, end, (day) =>
      seed(day) % 2 === 0
        ? { generic: { calendarDate: day, vo2MaxValue: 45 }, cycling: null }
        : { generic: null, cycling: { calendarDate: day, vo2MaxValue: 44 } },
    ),
  '/metrics-service/metrics/racepredictions/daily/': (from, end) =>
    perDay(from, end, (day) => ({ calendarDate: day, time5K: 1500 + seed(day), time10K: 3200 })),
  '/metrics-service/metrics/hillscore/stats': (from, end) => ({
    startDate: from,
    endDate: end,
    hillScoreDTOList: perDay(from, end, (day) => ({ calendarDate: day, overallScore: seed(day) % 100 })),
  }),
  '/biometric-service/stats/': (from, end) =>
    perDay(from, end, (day) => ({
      from: day,
      until: day,
      series: 'running',
      value: seed(day),
      updatedDate: day,
    })),
};

function activities(from: Day, end: Day, { start = '0', limit = '20' }: Seen['query']): Row[] {
  const all = perDay(from, end, (day) =>
    Array.from({ length: 1 + (seed(day) % 9) }, (_, index) => ({
      activityId: seed(day) * 100 + index,
      startTimeLocal: `${day} 0${index}:30:00`,
      distance: seed(day),
    })),
  );
  return all.slice(Number(start), Number(start) + Number(limit));
}

/** Answers of single days, by the beginning of the path. */
const days: Record<string, (day: Day) => unknown> = {
  '/usersummary-service/usersummary/daily/': (day) => ({
    calendarDate: day,
    totalSteps: seed(day),
    includesWellnessData: true,
    privacyProtected: false,
  }),
  '/wellness-service/wellness/dailySleepData/': (day) => ({
    dailySleepDTO: { id: seed(day), calendarDate: day, sleepTimeSeconds: 25_000 },
  }),
  '/wellness-service/wellness/dailyHeartRate/': (day) => ({
    calendarDate: day,
    heartRateValues: [[1, seed(day)]],
  }),
  '/wellness-service/wellness/dailyStress/': (day) => ({
    calendarDate: day,
    avgStressLevel: 1 + (seed(day) % 90),
  }),
  '/wellness-service/wellness/daily/respiration/': (day) => ({
    calendarDate: day,
    avgWakingRespirationValue: 14,
  }),
  '/wellness-service/wellness/daily/spo2/': (day) => ({ calendarDate: day, averageSpO2: 96 }),
  '/hrv-service/hrv/': (day) => ({
    hrvSummary: { calendarDate: day, weeklyAvg: 40 },
    hrvReadings: [{ hrvValue: 41 }],
  }),
  '/metrics-service/metrics/trainingstatus/aggregated/': (day) => ({
    mostRecentTrainingStatus: { latestTrainingStatusData: { '1': { calendarDate: day, trainingStatus: 7 } } },
  }),
  '/metrics-service/metrics/trainingreadiness/': (day) => [snapshot(day, seed(day)), snapshot(day, null)],
  '/metrics-service/metrics/endurancescore': (day) => ({ calendarDate: day, overallScore: seed(day) }),
};

function under<T>(table: Record<string, T>, path: string): T | undefined {
  return Object.entries(table).find(([begin]) => path.startsWith(begin))?.[1];
}

/** An account with invented data of every kind. */
export const inventedAccount: Handler = (seen) => {
  const { path, query } = seen;
  const inPath = path.match(/\d{4}-\d{2}-\d{2}/g) ?? [];
  const inQuery = Object.values(query).filter((value) => /^\d{4}-\d{2}-\d{2}$/.test(value));
  const [from = '', end = from] = inPath.length > 0 ? inPath : inQuery;
  if (path.startsWith('/activitylist-service/')) return { json: activities(from, end, query) };
  const snapshotAnswer = under(snapshots, path);
  if (snapshotAnswer) return { json: snapshotAnswer(seen) };
  const range = under(ranges, path);
  if (range) return { json: range(from, end) };
  const day = under(days, path);
  return day && { json: day(from) };
};
