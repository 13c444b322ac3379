import type { JsonValue } from '@on-the-way/sdk';
import { nightDetails } from './empty.ts';
import { listOf, isFilled, memberOf } from './json-shape.ts';

/** True when a day's summary values are there and none of its readings. */
export type OffloadedTest = (data: JsonValue) => boolean;

const hasNumber = (data: JsonValue, key: string) => Number(memberOf(data, key) ?? 0) > 0;

/** A series holds lists of time and reading, or objects. */
function hasReading(series: JsonValue): boolean {
  return listOf(series).some((row) =>
    Array.isArray(row) ? listOf(row).slice(1).some(isFilled) : isFilled(row),
  );
}

/** Some of the summary values, and no reading under any of the keys. */
const lacksReadings =
  (summary: readonly string[], series: readonly string[]): OffloadedTest =>
  (data) =>
    summary.some((key) => hasNumber(data, key)) && !series.some((key) => hasReading(memberOf(data, key)));

/**
 * One test for each dataset whose readings Garmin puts away after about half a year, while the values
 * of the whole day stay. Empty days are not asked about.
 */
export const offloadedTests = {
  heart_rate: lacksReadings(['restingHeartRate', 'minHeartRate', 'maxHeartRate'], ['heartRateValues']),
  stress: lacksReadings(
    ['avgStressLevel', 'maxStressLevel'],
    // Body battery of the day stands beside the stress levels.
    ['stressValuesArray', 'bodyBatteryValuesArray'],
  ),
  respiration: lacksReadings(
    ['lowestRespirationValue', 'highestRespirationValue', 'avgWakingRespirationValue'],
    ['respirationValuesArray', 'respirationAveragesValuesArray'],
  ),
  spo2: lacksReadings(
    ['averageSpO2', 'lowestSpO2', 'latestSpO2', 'avgSleepSpO2'],
    ['spO2SingleValues', 'continuousReadingDTOList', 'spO2HourlyAverages'],
  ),
  sleep: (data: JsonValue) => {
    const night = memberOf(data, 'dailySleepDTO');
    return (
      hasNumber(night, 'sleepTimeSeconds') && !nightDetails.some((key) => hasReading(memberOf(data, key)))
    );
  },
} satisfies Record<string, OffloadedTest>;
