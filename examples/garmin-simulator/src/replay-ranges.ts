import { isRow, rowsOf } from './raw-json.ts';
import type { Row } from './raw-json.ts';
import { contentOf, recordedAt } from './recording.ts';
import type { Question } from './recording.ts';

/** A range whose answer holds dated rows: where they are in it, and where their day is. */
interface RangeShape {
  /** The path up to the dates in it, if it has any. */
  readonly path: string;
  /** Members that lead to the list; none when the answer is the list. */
  readonly rows: readonly string[];
  /** Members that lead to the day of a row. */
  readonly day: readonly string[];
}

const DAY = ['calendarDate'];

const SHAPES: readonly RangeShape[] = [
  { path: '/usersummary-service/stats/daily', rows: [], day: DAY },
  { path: '/wellness-service/stats/daily/sleep/score', rows: [], day: DAY },
  { path: '/sleep-service/stats/sleep/daily', rows: ['individualStats'], day: DAY },
  { path: '/wellness-service/wellness/bodyBattery/reports/daily', rows: [], day: ['date'] },
  {
    path: '/userstats-service/wellness/daily',
    rows: ['allMetrics', 'metricsMap', 'WELLNESS_RESTING_HEART_RATE'],
    day: DAY,
  },
  { path: '/weight-service/weight/dateRange', rows: ['dateWeightList'], day: DAY },
  { path: '/bloodpressure-service/bloodpressure/range', rows: ['measurementSummaries'], day: ['startDate'] },
  {
    path: '/periodichealth-service/menstrualcycle/calendar',
    rows: ['cycleSummaries'],
    day: ['startDate'],
  },
  { path: '/metrics-service/metrics/maxmet/daily', rows: [], day: ['generic', 'calendarDate'] },
  { path: '/metrics-service/metrics/racepredictions/daily', rows: [], day: DAY },
  { path: '/metrics-service/metrics/hillscore/stats', rows: ['hillScoreDTOList'], day: DAY },
  ...['lactateThresholdSpeed', 'lactateThresholdHeartRate', 'functionalThresholdPower'].map((series) => ({
    path: `/biometric-service/stats/${series}/range`,
    rows: [],
    day: ['from'],
  })),
];

const at = (value: unknown, members: readonly string[]): unknown =>
  members.reduce((inside: unknown, member) => (isRow(inside) ? inside[member] : undefined), value);

/** The recorded answer with another list in its place. */
function withRows(content: unknown, members: readonly string[], rows: readonly Row[]): unknown {
  const [member, ...deeper] = members;
  if (member === undefined) return rows;
  const envelope: Row = isRow(content) ? content : {};
  return { ...envelope, [member]: withRows(envelope[member], deeper, rows) };
}

const isAt = (path: string, asked: string): boolean => asked === path || asked.startsWith(`${path}/`);

/** Rows of all recorded ranges of the same kind, those of the asked days, each once, in the order of recording. */
export function rangeFrom(asked: string, { all, start, end }: Question): unknown {
  const shape = SHAPES.find(({ path }) => isAt(path, asked));
  if (shape === undefined) return undefined;
  const contents = recordedAt(all, /./)
    .filter((recording) => isAt(shape.path, recording.path))
    .map(contentOf);
  if (contents.length === 0) return undefined;
  const rows = contents
    .flatMap((content) => rowsOf(at(content, shape.rows)))
    .filter((row) => {
      const day = String(at(row, shape.day)).slice(0, 10);
      return day >= start && day <= end;
    });
  const once = new Map(rows.map((row) => [JSON.stringify(row), row]));
  return withRows(contents[0], shape.rows, [...once.values()]);
}
