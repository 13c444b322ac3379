import { eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { wornDay } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { forRange, ok } from './answer.ts';
import type { DayRange } from './answer.ts';
import { ranOn, vo2Estimate } from './fitness.ts';
import { hasTrained, trainingLoad } from './training-load.ts';
import { recordedDevices, statusRow } from './training-status.ts';

const WEEKS_52 = 364;

/** The gateway asks other services and wraps what each of them answers. */
const member = (requestUrl: string, payload: unknown) => ({
  requestUrl,
  statusCode: 200,
  headers: {},
  errorMessage: null,
  payload,
  successful: true,
});

function rowOn(view: View, date: CalendarDate) {
  const day = hasTrained(date) ? wornDay(view, date) : undefined;
  if (day === undefined) return [];
  return [statusRow(view.person, date, trainingLoad(view.person, date), day.night.endMs)];
}

function statuses(view: View, { start, end }: DayRange) {
  const { person } = view;
  const rows = eachDay(start, end).flatMap((date) => rowOn(view, date));
  return {
    userId: person.profileId,
    fromCalendarDate: start,
    toCalendarDate: end,
    showSelector: false,
    recordedDevices: rows.length > 0 ? recordedDevices(person) : [],
    reportData: rows.length > 0 ? { [person.watchId]: rows } : {},
  };
}

function estimates(view: View, { start, end }: DayRange) {
  const rows = eachDay(start, end)
    .filter((date) => ranOn(view, date))
    .map((date) => ({ value: vo2Estimate(view.person, date).generic.vo2MaxValue, calendarDate: date }));
  return {
    userProfileId: view.person.profileId,
    statisticsStartDate: start,
    statisticsEndDate: end,
    allMetrics: { metricsMap: rows.length > 0 ? { ACTIVITY_VO2_MAX: rows } : {} },
    groupedMetrics: null,
  };
}

/** One row a day and device, as the weekly report has them in spite of its name. */
export const trainingStatusReport = forRange(
  { start: 'start', end: 'end', maxDays: WEEKS_52 },
  (view, range) =>
    ok({
      vo2MaxWeeklyStatistics: member(
        `/metrics-service/metrics/maxmet/stats/daily/${range.start}/${range.end}`,
        estimates(view, range),
      ),
      weeklyTrainingStatus: member(
        `/metrics-service/metrics/trainingstatus/weekly/${view.person.displayName}`,
        statuses(view, range),
      ),
    }),
);
