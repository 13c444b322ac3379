import { startGarminSimulator } from './index.ts';
import type { GarminSimulator, GarminSimulatorOptions } from './index.ts';

const HAND_MADE_TOKEN = 'simulated-test-token';

interface Fetched {
  readonly status: number;
  readonly text: string;
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any -- any JSON value
  readonly headers: Headers;
}

async function read(answer: Response): Promise<Fetched> {
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true;
  const body: unknown = isJson ? JSON.parse(text) : undefined;
  return { status: answer.status, text, body, headers: answer.headers };
}

export async function fetchFrom(
  simulator: GarminSimulator,
  path: string,
  headers: Record<string, string> = {},
): Promise<Fetched> {
  return read(
    await fetch(simulator.origin + path, {
      headers: { authorization: `Bearer ${HAND_MADE_TOKEN}`, ...headers },
    }),
  );
}

/** Sends a form, or an object as JSON. Redirects are not followed. */
export async function postTo(
  simulator: GarminSimulator,
  path: string,
  body: URLSearchParams | Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Fetched> {
  const isForm = body instanceof URLSearchParams;
  return read(
    await fetch(simulator.origin + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { ...(isForm ? {} : { 'content-type': 'application/json' }), ...headers },
      body: isForm ? body : JSON.stringify(body),
    }),
  );
}

/** What a browser would send back of the cookies set. */
export const cookieOf = ({ headers }: Fetched): string =>
  headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');

export const PASSWORD = { username: 'runner@example.com', password: 'simulated' };
export const TICKET_GRANT = 'https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket';

/** Asks the DI endpoint. */
export const askToken = (simulator: GarminSimulator, fields: Record<string, string>): Promise<Fetched> =>
  postTo(
    simulator,
    '/di-oauth2-service/oauth/token',
    new URLSearchParams({ client_id: 'GARMIN_CONNECT_MOBILE_ANDROID_DI', ...fields }),
  );

/** Starts a simulator for one test and stops it afterwards. */
export async function withSimulator(
  options: GarminSimulatorOptions,
  use: (simulator: GarminSimulator) => Promise<void>,
): Promise<void> {
  const simulator = await startGarminSimulator(options);
  try {
    await use(simulator);
  } finally {
    await simulator.close();
  }
}

/** A clock that stands still at a wall clock time in Shanghai, which is always 8 hours ahead of UTC. */
export const shanghai = (wallClock: string) => (): number => Date.parse(`${wallClock}:00+08:00`);

/** The primary requests of the 32 datasets, as a client sends them for one day. */
export function primaryPaths(day: string, name: string, profileId: number): Readonly<Record<string, string>> {
  const dates = `startDate=${day}&endDate=${day}`;
  return {
    user_summary: `/usersummary-service/usersummary/daily/${name}?calendarDate=${day}`,
    sleep: `/wellness-service/wellness/dailySleepData/${name}?date=${day}&nonSleepBufferMinutes=60`,
    heart_rate: `/wellness-service/wellness/dailyHeartRate/${name}?date=${day}`,
    resting_heart_rate: `/userstats-service/wellness/daily/${name}?fromDate=${day}&untilDate=${day}&metricId=60`,
    stress: `/wellness-service/wellness/dailyStress/${day}`,
    body_battery: `/wellness-service/wellness/bodyBattery/reports/daily?${dates}`,
    respiration: `/wellness-service/wellness/daily/respiration/${day}`,
    spo2: `/wellness-service/wellness/daily/spo2/${day}`,
    hrv: `/hrv-service/hrv/daily/${day}/${day}`,
    intensity_minutes: `/usersummary-service/stats/im/daily/${day}/${day}`,
    weight: `/weight-service/weight/range/${day}/${day}?includeAll=true`,
    body_composition: `/weight-service/weight/dateRange?${dates}`,
    hydration: `/usersummary-service/stats/hydration/daily/${day}/${day}`,
    blood_pressure: `/bloodpressure-service/bloodpressure/range/${day}/${day}?includeAll=true`,
    menstrual: `/periodichealth-service/menstrualcycle/calendar/${day}/${day}`,
    pregnancy: '/periodichealth-service/menstrualcycle/pregnancysnapshot',
    activities: `/activitylist-service/activities/search/activities?${dates}&start=0&limit=100`,
    training_status: `/metrics-service/metrics/trainingstatus/aggregated/${day}`,
    training_readiness: `/metrics-service/metrics/trainingreadiness/${day}`,
    recovery_time: `/metrics-service/metrics/trainingreadiness/${day}`,
    max_metrics_vo2: `/metrics-service/metrics/maxmet/daily/${day}/${day}`,
    race_prediction: `/metrics-service/metrics/racepredictions/daily/${name}?fromCalendarDate=${day}&toCalendarDate=${day}`,
    hill_score: `/metrics-service/metrics/hillscore/stats?${dates}&aggregation=daily`,
    endurance_score: `/metrics-service/metrics/endurancescore/stats?${dates}&aggregation=weekly`,
    lactate_threshold: `/biometric-service/stats/lactateThresholdSpeed/range/${day}/${day}?sport=RUNNING&aggregation=daily&aggregationStrategy=LATEST`,
    workouts: '/workout-service/workouts?start=0&limit=100',
    training_plans: '/trainingplan-service/trainingplan/plans?limit=50',
    devices: '/device-service/deviceregistration/devices',
    gear: `/gear-service/gear/filterGear?userProfilePk=${profileId}`,
    goals: '/goal-service/goal/goals?status=active&start=1&limit=30&sortOrder=asc',
    badges: '/badge-service/badge/earned',
    challenges: '/badgechallenge-service/badgeChallenge/completed?start=1&limit=100',
  };
}
