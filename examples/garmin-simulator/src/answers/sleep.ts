import { HOUR_MS, MINUTE_MS, addDays, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { Night } from '../person/night.ts';
import { wornDay } from '../person/view.ts';
import type { View, WornDay } from '../person/view.ts';
import { forDay, ok } from './answer.ts';
import { spo2Hours } from './breathing.ts';
import { sleepScores } from './sleep-scores.ts';

function sleepNeed(view: View, date: CalendarDate, writtenMs: number) {
  return {
    userProfilePk: view.person.profileId,
    calendarDate: date,
    deviceId: view.person.watchId,
    timestampGmt: isoStamp(writtenMs).slice(0, 19),
    baseline: 465,
    actual: 465,
    feedback: 'NO_CHANGE_NO_ADJUSTMENTS',
    trainingFeedback: 'NO_CHANGE',
    sleepHistoryAdjustment: 'NO_CHANGE',
    hrvAdjustment: 'NO_CHANGE',
    napAdjustment: 'NO_CHANGE',
    displayedForTheDay: false,
    preferredActivityTracker: true,
  };
}

function sleepTimes(view: View, night: Night) {
  const { seconds } = night;
  return {
    sleepTimeSeconds: seconds.deep + seconds.light + seconds.rem,
    napTimeSeconds: 0,
    sleepWindowConfirmed: true,
    sleepWindowConfirmationType: 'enhanced_confirmed_final',
    sleepStartTimestampGMT: night.startMs,
    sleepEndTimestampGMT: night.endMs,
    sleepStartTimestampLocal: view.person.zone.toLocal(night.startMs),
    sleepEndTimestampLocal: view.person.zone.toLocal(night.endMs),
    autoSleepStartTimestampGMT: null,
    autoSleepEndTimestampGMT: null,
    sleepQualityTypePK: null,
    sleepResultTypePK: null,
    unmeasurableSleepSeconds: 0,
    deepSleepSeconds: seconds.deep,
    lightSleepSeconds: seconds.light,
    remSleepSeconds: seconds.rem,
    awakeSleepSeconds: seconds.awake,
  };
}

function sleepDay(view: View, date: CalendarDate, { night }: WornDay) {
  const spo2 = spo2Hours(view, date).map(([, value]) => value);
  return {
    id: night.startMs,
    userProfilePK: view.person.profileId,
    calendarDate: date,
    ...sleepTimes(view, night),
    deviceRemCapable: true,
    retro: false,
    sleepFromDevice: true,
    averageSpO2Value: night.spo2,
    lowestSpO2Value: Math.min(night.spo2, ...spo2) - 3,
    highestSpO2Value: 100,
    averageSpO2HRSleep: night.restingHeartRate + 2,
    averageRespirationValue: night.respiration,
    lowestRespirationValue: night.respiration - 4,
    highestRespirationValue: night.respiration + 5,
    awakeCount: night.awakeCount,
    avgSleepStress: night.stress,
    ageGroup: 'ADULT',
    sleepScoreFeedback: night.score >= 80 ? 'POSITIVE_DEEP' : 'NEGATIVE_LONG_BUT_LIGHT',
    sleepScoreInsight: 'NONE',
    sleepScorePersonalizedInsight: 'NOT_AVAILABLE',
    sleepScores: sleepScores(night),
    sleepVersion: 2,
    sleepNeed: sleepNeed(view, date, night.startMs - 9 * HOUR_MS),
    nextSleepNeed: sleepNeed(view, addDays(date, 1), night.endMs),
  };
}

/** The members of a night that was not measured: all there, all null. */
function emptySleepDay(view: View, date: CalendarDate) {
  const names =
    `sleepTimeSeconds napTimeSeconds sleepWindowConfirmed sleepWindowConfirmationType sleepStartTimestampGMT
    sleepEndTimestampGMT sleepStartTimestampLocal sleepEndTimestampLocal autoSleepStartTimestampGMT
    autoSleepEndTimestampGMT sleepQualityTypePK sleepResultTypePK unmeasurableSleepSeconds deepSleepSeconds
    lightSleepSeconds remSleepSeconds awakeSleepSeconds deviceRemCapable retro sleepFromDevice
    sleepVersion`.split(/\s+/);
  return {
    id: null,
    userProfilePK: view.person.profileId,
    calendarDate: date,
    ...Object.fromEntries(names.map((name) => [name, null])),
  };
}

function nightSeries(view: View, date: CalendarDate, { night, signals }: WornDay) {
  const asleep = signals.heartRate.filter(([atMs]) => atMs >= night.startMs && atMs < night.endMs);
  return {
    sleepMovement: [],
    remSleepData: true,
    sleepLevels: night.spells.map(({ startMs, endMs, stage }) => ({
      startGMT: isoStamp(startMs),
      endGMT: isoStamp(endMs),
      activityLevel: stage,
    })),
    sleepRestlessMoments: night.restlessMoments.map((atMs) => ({ value: 1, startGMT: atMs })),
    restlessMomentsCount: night.restlessMoments.length,
    wellnessEpochRespirationAveragesList: spo2Hours(view, date).map(([hourMs]) => ({
      epochEndTimestampGmt: hourMs,
      respirationAverageValue: night.respiration,
      respirationHighValue: night.respiration + 3,
      respirationLowValue: night.respiration - 2,
    })),
    sleepHeartRate: asleep
      .filter((_, index) => index % 15 === 0)
      .map(([atMs, value]) => ({ value, startGMT: atMs })),
  };
}

function nightSummary(view: View, { night }: WornDay) {
  return {
    wellnessSpO2SleepSummaryDTO: {
      userProfilePk: view.person.profileId,
      deviceId: view.person.watchId,
      sleepMeasurementStartGMT: isoStamp(night.startMs + 9 * MINUTE_MS),
      sleepMeasurementEndGMT: isoStamp(night.endMs),
      alertThresholdValue: null,
      numberOfEventsBelowThreshold: null,
      durationOfEventsBelowThreshold: null,
      averageSPO2: night.spo2,
      averageSpO2HR: night.restingHeartRate + 2,
      lowestSPO2: night.spo2 - 6,
    },
    ...(view.person.features.hrv ? { avgOvernightHrv: night.hrvAverage, hrvStatus: 'BALANCED' } : {}),
    skinTempDataExists: false,
    bodyBatteryChange: Math.round((night.endMs - night.startMs) / 480_000),
    restingHeartRate: night.restingHeartRate,
  };
}

/** With `series` the night's curves come too; the shorter path answers null for them. */
function sleepAnswer(series: boolean) {
  return forDay('date', (view, date) => {
    const day = wornDay(view, date);
    if (day === undefined) {
      const nothing = series ? [] : null;
      const dailySleepDTO = emptySleepDay(view, date);
      return ok({ dailySleepDTO, sleepMovement: nothing, remSleepData: null, sleepLevels: nothing });
    }
    return ok({
      dailySleepDTO: sleepDay(view, date, day),
      ...(series
        ? nightSeries(view, date, day)
        : { sleepMovement: null, remSleepData: true, sleepLevels: null }),
      ...nightSummary(view, day),
    });
  });
}

export const sleepWithSeries = sleepAnswer(true);
export const sleepAlone = sleepAnswer(false);
