import { isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { dayPlan } from '../person/day-plan.ts';
import { dayRandom } from '../person/person.ts';
import type { View, WornDay } from '../person/view.ts';

/** The members that are there whether the watch was worn or not. */
export function identity(view: View, date: CalendarDate, day: WornDay | undefined) {
  const { person } = view;
  const random = dayRandom(person, date, 'summary');
  const plan = dayPlan(person, date);
  const endMs = day?.untilMs ?? plan.endMs;
  const local = (ms: number): string => isoStamp(person.zone.toLocal(ms));
  return {
    userProfileId: person.profileId,
    userDailySummaryId: random.int(100_000_000, 999_999_999),
    calendarDate: date,
    rule: { typeId: 2, typeKey: 'private' },
    uuid: day ? random.hex(32) : null,
    dailyStepGoal: day ? person.stepGoal : null,
    wellnessStartTimeGmt: isoStamp(plan.startMs),
    wellnessStartTimeLocal: local(plan.startMs),
    wellnessEndTimeGmt: isoStamp(endMs),
    wellnessEndTimeLocal: local(endMs),
    durationInMilliseconds: day ? endMs - plan.startMs : null,
    wellnessDescription: null,
    includesWellnessData: day !== undefined,
    includesActivityData: (day?.activities.length ?? 0) > 0,
    includesCalorieConsumedData: false,
    privacyProtected: false,
    intensityMinutesGoal: 150,
    userFloorsAscendedGoal: 10,
    source: 'GARMIN',
    lastSyncTimestampGMT: null,
    averageMonitoringEnvironmentAltitude: day ? random.int(8, 40) : null,
  };
}

/** A day without a watch has every member, with null for every measurement. */
export const EMPTY_MEMBERS =
  `totalKilocalories activeKilocalories bmrKilocalories wellnessKilocalories totalSteps totalDistanceMeters
  wellnessDistanceMeters highlyActiveSeconds activeSeconds sedentarySeconds sleepingSeconds
  moderateIntensityMinutes vigorousIntensityMinutes floorsAscended floorsDescended minHeartRate maxHeartRate
  restingHeartRate lastSevenDaysAvgRestingHeartRate averageStressLevel maxStressLevel stressDuration
  restStressDuration totalStressDuration stressQualifier bodyBatteryChargedValue bodyBatteryDrainedValue
  bodyBatteryHighestValue bodyBatteryLowestValue bodyBatteryMostRecentValue averageSpo2 lowestSpo2 latestSpo2
  avgWakingRespirationValue highestRespirationValue lowestRespirationValue`.split(/\s+/);
