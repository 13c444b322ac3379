import { startGarminSimulator } from './index.ts';
import { fetchFrom, primaryPaths, shanghai } from './testing.ts';
const sim = await startGarminSimulator({ now: shanghai('2026-03-20T12:00') });
const p = (await fetchFrom(sim, '/userprofile-service/socialProfile')).body;
for (const d of ['2026-03-17'])
  for (const [n, path] of Object.entries(primaryPaths(d, p.displayName, p.profileId))) {
    const t = performance.now();
    const r = await fetchFrom(sim, path, { 'sec-fetch-site': 'same-origin' });
    console.log(n, r.status, r.text.length, (performance.now() - t).toFixed(1), r.text.slice(0, 230));
  }
let unworn = [];
for (let i = 0; i < 40; i++) {
  const d = new Date(Date.UTC(2026, 1, 9 + i)).toISOString().slice(0, 10);
  const r = (await fetchFrom(sim, '/wellness-service/wellness/dailyHeartRate?date=' + d)).body;
  const s = (await fetchFrom(sim, '/usersummary-service/usersummary/daily?calendarDate=' + d)).body;
  const sl = (await fetchFrom(sim, '/sleep-service/sleep/dailySleepData?date=' + d)).body.dailySleepDTO;
  if (r.restingHeartRate == null) unworn.push(d);
  else if (i % 4 == 0)
    console.log(
      d,
      'rhr',
      r.restingHeartRate,
      r.minHeartRate,
      r.maxHeartRate,
      'steps',
      s.totalSteps,
      'kcal',
      s.totalKilocalories,
      'stress',
      s.averageStressLevel,
      s.maxStressLevel,
      'bb',
      s.bodyBatteryHighestValue,
      s.bodyBatteryLowestValue,
      s.bodyBatteryChargedValue,
      s.bodyBatteryDrainedValue,
      'im',
      s.moderateIntensityMinutes,
      s.vigorousIntensityMinutes,
      'sleep',
      sl.sleepTimeSeconds / 3600,
      sl.deepSleepSeconds / 3600,
      sl.remSleepSeconds / 3600,
      sl.sleepScores.overall.value,
      sl.awakeCount,
    );
}
console.log('unworn', unworn);
const a = (
  await fetchFrom(
    sim,
    '/activitylist-service/activities/search/activities?startDate=2026-03-01&endDate=2026-03-20&start=0&limit=100',
  )
).body;
for (const x of a)
  console.log(
    x.activityId,
    x.startTimeLocal,
    x.activityName,
    x.distance,
    x.duration,
    x.averageHR,
    x.activityTrainingLoad,
    x.aerobicTrainingEffect,
    Object.keys(x).length,
  );
const rd = (await fetchFrom(sim, '/metrics-service/metrics/trainingreadiness/2026-03-17')).body;
for (const x of rd) console.log(x.timestampLocal, x.inputContext, x.recoveryTime, x.score, x.level);
console.log(
  JSON.stringify(
    (await fetchFrom(sim, '/metrics-service/metrics/trainingstatus/aggregated/2026-03-17')).body
      .mostRecentTrainingStatus,
  ),
);
console.log((await fetchFrom(sim, '/usersummary-service/usersummary/daily?calendarDate=2026-03-17')).text);
await sim.close();
