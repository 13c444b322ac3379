import { addDays, eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { fitnessOn } from '../person/day-plan.ts';
import { wander } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { wornDay } from '../person/view.ts';
import { forDay, ok } from './answer.ts';
import { vo2Estimate } from './fitness.ts';
import { hasTrained, lastRunBefore, trainingLoad } from './training-load.ts';
import type { TrainingLoad } from './training-load.ts';

/** Code and phrase as they come together in real answers. */
function statusOf(person: Person, date: CalendarDate, load: TrainingLoad): { code: number; phrase: string } {
  const trend = fitnessOn(person, date) - fitnessOn(person, addDays(date, -14));
  if (load.ratio > 1.5) return { code: 8, phrase: 'STRAINED_1' };
  if (load.ratio < 0.6) return { code: 5, phrase: 'RECOVERY_2' };
  if (trend > 0.15) return { code: 7, phrase: 'PRODUCTIVE_3' };
  return trend < -0.4 ? { code: 2, phrase: 'UNPRODUCTIVE_1' } : { code: 4, phrase: 'MAINTAINING_2' };
}

/** The first of the days in a row, three weeks at most, that had this status. */
function sinceDate(person: Person, date: CalendarDate, code: number): CalendarDate {
  const earlier = eachDay(addDays(date, -21), addDays(date, -1)).toReversed();
  const other = earlier.find((day) => statusOf(person, day, trainingLoad(person, day)).code !== code);
  return addDays(other ?? addDays(date, -22), 1);
}

export function recordedDevices(person: Person) {
  return [{ deviceId: person.watchId, imageURL: null, deviceName: 'Simulated Watch 7', category: 0 }];
}

function loadBalance(person: Person, date: CalendarDate, load: TrainingLoad) {
  const monthly = load.chronic * 4;
  const lean = wander(person, date, 'balance', 12) * 0.08;
  return {
    calendarDate: date,
    deviceId: person.watchId,
    monthlyLoadAerobicLow: Math.round(monthly * (0.52 + lean)),
    monthlyLoadAerobicHigh: Math.round(monthly * (0.38 - lean)),
    monthlyLoadAnaerobic: Math.round(monthly * 0.1),
    monthlyLoadAerobicLowTargetMin: Math.round(monthly * 0.28),
    monthlyLoadAerobicLowTargetMax: Math.round(monthly * 0.6),
    monthlyLoadAerobicHighTargetMin: Math.round(monthly * 0.24),
    monthlyLoadAerobicHighTargetMax: Math.round(monthly * 0.5),
    monthlyLoadAnaerobicTargetMin: 0,
    monthlyLoadAnaerobicTargetMax: Math.round(monthly * 0.22),
    trainingBalanceFeedbackPhrase: 'BALANCED',
    primaryTrainingDevice: true,
  };
}

export function statusRow(person: Person, date: CalendarDate, load: TrainingLoad, wakeMs: number) {
  const { code, phrase } = statusOf(person, date, load);
  return {
    calendarDate: date,
    sinceDate: sinceDate(person, date, code),
    weeklyTrainingLoad: null,
    trainingStatus: code,
    timestamp: wakeMs,
    deviceId: person.watchId,
    loadTunnelMin: null,
    loadTunnelMax: null,
    loadLevelTrend: null,
    sport: 'RUNNING',
    subSport: 'GENERIC',
    fitnessTrendSport: 'RUNNING',
    fitnessTrend: code === 7 ? 2 : 1,
    trainingStatusFeedbackPhrase: phrase,
    trainingPaused: false,
    acuteTrainingLoadDTO: {
      acwrPercent: Math.round(Math.min(100, load.ratio * 44)),
      acwrStatus: load.ratio > 1.5 ? 'HIGH' : load.ratio < 0.8 ? 'LOW' : 'OPTIMAL',
      acwrStatusFeedback: 'FEEDBACK_2',
      dailyTrainingLoadAcute: load.acute,
      maxTrainingLoadChronic: Math.round(load.chronic * 1.5),
      minTrainingLoadChronic: Math.round(load.chronic * 0.8),
      dailyTrainingLoadChronic: load.chronic,
      dailyAcuteChronicWorkloadRatio: load.ratio,
    },
    primaryTrainingDevice: true,
  };
}

/** Written on waking up from the training before that day, and left alone afterwards. */
export const trainingStatus = forDay('day', (view, date) => {
  const { person } = view;
  const day = wornDay(view, date);
  if (day === undefined || !hasTrained(date)) {
    return ok({
      userId: person.profileId,
      mostRecentVO2Max: null,
      mostRecentTrainingLoadBalance: null,
      mostRecentTrainingStatus: null,
      heatAltitudeAcclimationDTO: null,
    });
  }
  const load = trainingLoad(person, date);
  const run = lastRunBefore(person, addDays(date, -1));
  return ok({
    userId: person.profileId,
    mostRecentVO2Max: run === undefined ? null : vo2Estimate(person, run),
    mostRecentTrainingLoadBalance: {
      userId: person.profileId,
      metricsTrainingLoadBalanceDTOMap: { [person.watchId]: loadBalance(person, date, load) },
      recordedDevices: recordedDevices(person),
    },
    mostRecentTrainingStatus: {
      userId: person.profileId,
      latestTrainingStatusData: { [person.watchId]: statusRow(person, date, load, day.night.endMs) },
      recordedDevices: recordedDevices(person),
      showSelector: false,
      lastPrimarySyncDate: null,
    },
    heatAltitudeAcclimationDTO: null,
  });
});
