import { HOUR_MS, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { nightOf } from '../person/night.ts';
import type { Night } from '../person/night.ts';
import { dayRandom } from '../person/person.ts';
import type { Sample } from '../person/samples.ts';
import { wornDay } from '../person/view.ts';
import type { View, WornDay } from '../person/view.ts';
import { dayFrame, forDay, mean, ok, weekEnding } from './answer.ts';

/** The night as the day answers quote it; nulls while it is not known. */
function nightFrame(view: View, day: WornDay | undefined): Record<string, unknown> {
  const { zone } = view.person;
  const night: Night | undefined =
    day !== undefined && day.night.endMs <= day.untilMs ? day.night : undefined;
  return {
    sleepStartTimestampGMT: night ? isoStamp(night.startMs) : null,
    sleepEndTimestampGMT: night ? isoStamp(night.endMs) : null,
    sleepStartTimestampLocal: night ? isoStamp(zone.toLocal(night.startMs)) : null,
    sleepEndTimestampLocal: night ? isoStamp(zone.toLocal(night.endMs)) : null,
  };
}

/** Hour, mean, highest, lowest. */
function hourly(samples: readonly Sample[]): number[][] {
  const hours = Map.groupBy(
    samples.filter(([, value]) => value > 0),
    ([atMs]) => Math.floor(atMs / HOUR_MS) * HOUR_MS + HOUR_MS,
  );
  return [...hours].map(([hourMs, inHour]) => {
    const values = inHour.map(([, value]) => value);
    return [hourMs, mean(values) ?? -2, Math.max(...values), Math.min(...values)];
  });
}

export const respiration = forDay('day', (view, date) => {
  const day = wornDay(view, date);
  const samples = day?.signals.respiration ?? [];
  const valid = samples.filter(([, value]) => value > 0).map(([, value]) => value);
  const awake = samples.filter(([atMs, value]) => value > 0 && day !== undefined && atMs >= day.night.endMs);
  return ok({
    ...dayFrame(view.person, date, day?.untilMs),
    ...nightFrame(view, day),
    lowestRespirationValue: valid.length > 0 ? Math.min(...valid) : null,
    highestRespirationValue: valid.length > 0 ? Math.max(...valid) : null,
    avgWakingRespirationValue: mean(awake.map(([, value]) => value)),
    avgSleepRespirationValue: day?.night.respiration ?? null,
    avgTomorrowSleepRespirationValue: null,
    respirationValueDescriptorsDTOList: [
      { key: 'timestamp', index: 0 },
      { key: 'respiration', index: 1 },
    ],
    respirationValuesArray: samples,
    respirationAveragesValueDescriptorDTOList: [
      'timestamp',
      'averageRespirationValue',
      'highRespirationValue',
      'lowRespirationValue',
    ].map((key, index) => ({
      respirationAveragesValueDescriptorIndex: index,
      respirationAveragesValueDescriptionKey: key,
    })),
    respirationAveragesValuesArray: hourly(samples),
    respirationVersion: 200,
  });
});

/** Blood oxygen is measured in sleep only: one value an hour of the night that falls on this day. */
export function spo2Hours(view: View, date: CalendarDate): Sample[] {
  const day = wornDay(view, date);
  if (day === undefined) return [];
  const random = dayRandom(view.person, date, 'spo2');
  const first = Math.ceil(Math.max(day.plan.startMs, day.night.startMs) / HOUR_MS) * HOUR_MS;
  const count = Math.max(0, Math.floor((day.night.endMs - first) / HOUR_MS));
  return Array.from({ length: count }, (_, hour): Sample => {
    return [first + hour * HOUR_MS, Math.min(99, day.night.spo2 + random.int(-3, 2))];
  });
}

export const spo2 = forDay('day', (view, date) => {
  const day = wornDay(view, date);
  const hours = spo2Hours(view, date);
  const values = hours.map(([, value]) => value);
  const latest = hours[hours.length - 1];
  const week = weekEnding(date).filter((other) => wornDay(view, other) !== undefined);
  return ok({
    ...dayFrame(view.person, date, day?.untilMs),
    ...nightFrame(view, day),
    averageSpO2: mean(values),
    lowestSpO2: values.length > 0 ? Math.min(...values) - 3 : null,
    lastSevenDaysAvgSpO2: day ? mean(week.map((other) => nightOf(view.person, other).spo2)) : null,
    latestSpO2: latest?.[1] ?? null,
    latestSpO2TimestampGMT: latest ? isoStamp(latest[0]) : null,
    latestSpO2TimestampLocal: latest ? isoStamp(view.person.zone.toLocal(latest[0])) : null,
    avgSleepSpO2: day?.night.spo2 ?? null,
    avgTomorrowSleepSpO2: null,
    spO2ValueDescriptorsDTOList: ['timestamp', 'spo2Reading', 'singleReadingPlottable'].map((key, index) => ({
      spo2ValueDescriptorIndex: index,
      spo2ValueDescriptorKey: key,
    })),
    spO2SingleValues: null,
    continuousReadingDTOList: null,
    spO2HourlyAverages: day ? hours : null,
  });
});
