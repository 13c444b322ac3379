import { isCalendarDate } from './calendar.ts';
import { jsonReply } from './http.ts';
import type { Reply } from './http.ts';
import { isRow, rowsOf } from './raw-json.ts';
import type { Row } from './raw-json.ts';
import { asReply, contentOf, recordedAt } from './recording.ts';
import type { Question, Recording } from './recording.ts';
import { rangeFrom } from './replay-ranges.ts';
import { trainingStatusFrom } from './replay-training-status.ts';

/** Answers from what the dataset's other paths or wider ranges recorded; the rows themselves are untouched. */
type Composer = (question: Question) => unknown;

/** Rows whose day lies in the range, one a day, oldest first. */
function rowsInRange(rows: readonly Row[], { start, end }: Question, day: string): Row[] {
  const inRange = rows.filter((row) => String(row[day]) >= start && String(row[day]) <= end);
  const byDay = new Map(inRange.map((row) => [String(row[day]), row]));
  return [...byDay.values()].toSorted((left, right) => (String(left[day]) < String(right[day]) ? -1 : 1));
}

/** Ranges that are plain lists of days. */
const dailyStats =
  (kind: string): Composer =>
  (question) => {
    const shape = new RegExp(`^/usersummary-service/stats/${kind}/daily/`);
    const rows = recordedAt(question.all, shape).flatMap((recording) => rowsOf(contentOf(recording)));
    const found = rowsInRange(rows, question, 'calendarDate');
    return found.length > 0 ? found : undefined;
  };

const hrvRange: Composer = (question) => {
  const contents = recordedAt(question.all, /^\/hrv-service\/hrv\//)
    .map(contentOf)
    .filter(isRow);
  const rows = contents.flatMap((content) => [
    ...rowsOf(content['hrvSummaries']),
    ...rowsOf([content['hrvSummary']]),
  ]);
  const hrvSummaries = rowsInRange(rows, question, 'calendarDate');
  return hrvSummaries.length > 0
    ? { hrvSummaries, userProfilePk: contents[0]?.['userProfilePk'] }
    : undefined;
};

/** The scores recorded one day at a time. */
function scoredDays(question: Question, path: string): Row[] {
  const shape = new RegExp(`^/metrics-service/metrics/${path}$`);
  return rowsInRange(recordedAt(question.all, shape).map(contentOf).filter(isRow), question, 'calendarDate');
}

const hillScores: Composer = (question) => {
  const days = scoredDays(question, 'hillscore');
  if (days.length === 0) return undefined;
  return {
    userProfilePK: days[0]?.['userProfilePK'],
    startDate: question.start,
    endDate: question.end,
    periodAvgScore: {},
    maxScore: null,
    hillScoreDTOList: days,
  };
};

const enduranceScores: Composer = (question) => {
  const days = scoredDays(question, 'endurancescore');
  if (days.length === 0) return undefined;
  return {
    userProfilePK: days[0]?.['userProfilePK'],
    startDate: question.start,
    endDate: question.end,
    avg: null,
    max: null,
    groupMap: {},
    enduranceScoreDTO: days[days.length - 1],
  };
};

/** A weigh-in recorded by the day, as the range lists it. */
function daySummary(entries: readonly Row[]): Row {
  const [latest] = entries;
  return {
    summaryDate: latest?.['calendarDate'],
    numOfWeightEntries: entries.length,
    minWeight: latest?.['weight'],
    maxWeight: latest?.['weight'],
    latestWeight: latest,
    allWeightMetrics: entries,
  };
}

function weightSummaries(question: Question): Row[] {
  const days = recordedAt(question.all, /^\/weight-service\/weight\/dayview\//).flatMap((recording) => {
    const content = contentOf(recording);
    const entries = isRow(content) ? rowsOf(content['dateWeightList']) : [];
    return entries.length > 0 ? [daySummary(entries)] : [];
  });
  const ranges = recordedAt(question.all, /^\/weight-service\/weight\/range\//).flatMap((recording) => {
    const content = contentOf(recording);
    return isRow(content) ? rowsOf(content['dailyWeightSummaries']) : [];
  });
  return rowsInRange([...days, ...ranges], question, 'summaryDate').toReversed();
}

const weightRange: Composer = (question) => {
  const dailyWeightSummaries = weightSummaries(question);
  if (dailyWeightSummaries.length === 0) return undefined;
  return { dailyWeightSummaries, totalAverage: null, previousDateWeight: null, nextDateWeight: null };
};

const weightDay: Composer = (question) => {
  const dateWeightList = weightSummaries(question).flatMap((row) => rowsOf(row['allWeightMetrics']));
  if (dateWeightList.length === 0) return undefined;
  return { startDate: question.start, endDate: question.end, dateWeightList, totalAverage: null };
};

/** All recorded pages together, newest first, each activity once. */
const activities: Composer = (question) => {
  const rows = recordedAt(question.all, /^\/activitylist-service\/activities\/search\/activities$/).flatMap(
    (recording) => rowsOf(contentOf(recording)),
  );
  const inRange = rows.filter((row) => {
    const day = String(row['startTimeLocal']).slice(0, 10);
    return day >= question.start && day <= question.end;
  });
  const once = new Map(inRange.map((row) => [JSON.stringify(row['activityId']), row]));
  const newestFirst = [...once.values()].toSorted((left, right) =>
    String(left['startTimeLocal']) < String(right['startTimeLocal']) ? 1 : -1,
  );
  const first = Number(question.query['start'] ?? 0);
  return newestFirst.slice(first, first + Number(question.query['limit'] ?? 20));
};

const RANGE = '/[^/]+/[^/]+$';
const COMPOSERS: readonly (readonly [RegExp, Composer])[] = [
  ...['stress', 'steps', 'hydration', 'im'].map(
    (kind) => [new RegExp(`^/usersummary-service/stats/${kind}/daily${RANGE}`), dailyStats(kind)] as const,
  ),
  [new RegExp(`^/hrv-service/hrv/daily${RANGE}`), hrvRange],
  [new RegExp(`^/weight-service/weight/range${RANGE}`), weightRange],
  [/^\/weight-service\/weight\/dayview\/[^/]+$/, weightDay],
  [/^\/metrics-service\/metrics\/hillscore\/stats$/, hillScores],
  [/^\/metrics-service\/metrics\/endurancescore\/stats$/, enduranceScores],
  [/^\/metrics-service\/metrics\/trainingstatus\/aggregated\/[^/]+$/, trainingStatusFrom],
  [/^\/activitylist-service\/activities\/search\/activities$/, activities],
];

/** One night is recorded at either of two paths, whole. */
function otherSleepPath(
  all: readonly Recording[],
  path: string,
  date: string | undefined,
): Recording | undefined {
  const paths = ['/wellness-service/wellness/dailySleepData', '/sleep-service/sleep/dailySleepData'];
  if (!paths.includes(path)) return undefined;
  return all.find((recording) => paths.includes(recording.path) && recording.query['date'] === date);
}

/** The days a question is about, wherever it says so; undefined when it names what is no day. */
function daysAsked(
  path: string,
  query: Readonly<Record<string, string>>,
): Pick<Question, 'start' | 'end'> | undefined {
  const [first, last] = /\/(\d{4}-\d\d-\d\d)(?:\/(\d{4}-\d\d-\d\d))?$/.exec(path)?.slice(1) ?? [];
  const inQuery = (names: readonly string[]): string | undefined =>
    names.map((name) => query[name]).find((value) => value !== undefined);
  const start = first ?? inQuery(['startDate', 'fromDate', 'fromCalendarDate']) ?? '1970-01-01';
  const end = last ?? first ?? inQuery(['endDate', 'untilDate', 'toCalendarDate']) ?? '9999-12-31';
  return isCalendarDate(start) && isCalendarDate(end) ? { start, end } : undefined;
}

export function composeAnswer(
  all: readonly Recording[],
  path: string,
  query: Readonly<Record<string, string>>,
): Reply | undefined {
  const night = otherSleepPath(all, path, query['date']);
  if (night !== undefined) return asReply(night);
  const days = daysAsked(path, query);
  if (days === undefined) return undefined;
  const question = { all, query, ...days };
  const fitting = COMPOSERS.filter(([shape]) => shape.test(path)).map(([, compose]) => compose(question));
  const body = [...fitting, rangeFrom(path, question)].find((found) => found !== undefined);
  return body === undefined ? undefined : jsonReply(200, body);
}
