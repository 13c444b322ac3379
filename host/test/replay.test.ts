import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addDays } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { createTestHost } from './test-host.ts';

// Real answers of a real account, recorded by others; data that lies beside the project and is not part of it.
const folder = join(import.meta.dirname, '..', '..', '..', 'shared', 'garmin', 'recorded');

interface Recording {
  readonly file: string;
  readonly metric_type: string;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly status: number;
}

type Json = Readonly<Record<string, unknown>>;

/** What a recording should leave in the store: a day of a dataset and its data. */
interface Expected {
  readonly dataset: string;
  readonly day: string;
  readonly data: unknown;
}

/** Recordings that none of the 32 datasets asks for, each with the reason. */
const notAsked: readonly (readonly [RegExp, string])[] = [
  [/^activities\/(00|12)_/, 'a write, not a read'],
  [/^activities\/0[246]_/, 'detail of one activity; the dataset is the list'],
  [/^hydration\/02_/, 'a write, not a read'],
  [/^hrv\/0[46]_/, 'the range without readings; the dataset is the day with them'],
  [/^stress\/0[02468]_/, 'means by day or week; the dataset is the day with its values'],
  [/^user_summary\/00_/, 'steps alone; the dataset is the whole summary'],
  [/^lactate_threshold\/00_/, 'heart-rate zones of now; the dataset is the history of the threshold'],
  [/^weight\/0[02]_/, 'one day; the dataset is asked in spans and the same day is in the span'],
  [/^training_status\/0[024]_/, 'the web gateway; checked by itself below'],
];

function read(file: string): unknown {
  const text = readFileSync(join(folder, file), 'utf8');
  return text === '' ? null : JSON.parse(text);
}

function byDay(
  dataset: string,
  rows: readonly Json[],
  key: string,
  keep: (row: Json) => unknown = (row) => row,
): Expected[] {
  return rows.map((row) => ({ dataset, day: String(row[key]).slice(0, 10), data: keep(row) }));
}

/** What each recording of a span should leave, day by day. */
const spans: Readonly<Record<string, (answer: unknown) => Expected[]>> = {
  weight: (answer) =>
    byDay('weight', (answer as { dailyWeightSummaries: Json[] }).dailyWeightSummaries, 'summaryDate'),
  intensity_minutes: (answer) =>
    byDay('intensity_minutes', answer as Json[], 'calendarDate').filter(
      ({ data }) => (data as Json)['moderateValue'] !== null,
    ),
  hydration: (answer) => byDay('hydration', answer as Json[], 'calendarDate'),
};

function expectedOf({ file, metric_type: dataset, path, query }: Recording): Expected[] {
  const answer = read(file);
  const span = spans[dataset];
  if (span) return span(answer);
  const day = query['date'] ?? query['calendarDate'] ?? /(\d{4}-\d\d-\d\d)$/.exec(path)?.[1] ?? '';
  const data = Array.isArray(answer) ? { value: answer as unknown[] } : answer;
  return [{ dataset, day, data }];
}

/** The recorded pages of the activity list overlap; each activity once, under the day it began. */
function expectedActivities(files: readonly string[]): Expected[] {
  const all = files.flatMap((file) => read(file) as Json[]);
  const once = [...new Map(all.map((activity) => [activity['activityId'], activity])).values()];
  const days = Map.groupBy(once, (activity) => String(activity['startTimeLocal']).slice(0, 10));
  return [...days].map(([day, list]) => ({ dataset: 'activities', day, data: { value: list } }));
}

const present = existsSync(folder);
if (!present) console.log(`skipped: the recorded answers are not at ${folder}`);

test.runIf(present)(
  'a run over the replayed recordings stores each recorded answer once, its payload equal to the file',
  { timeout: 240_000 },
  async () => {
    const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Recording[];
    const asked = index.filter(({ file }) => notAsked.every(([pattern]) => !pattern.test(file)));
    const lists = asked.filter(({ path }) => path.endsWith('/search/activities')).map(({ file }) => file);
    const others = asked.filter(({ file }) => !lists.includes(file));
    const expected = [...others.flatMap(expectedOf), ...expectedActivities(lists)];
    console.log(`recordings: ${index.length}; asked for by a dataset: ${asked.length}; not asked for:`);
    for (const [pattern, why] of notAsked) {
      const files = index.filter(({ file }) => pattern.test(file)).map(({ file }) => file);
      expect(files.length, `${pattern} matches a recording`).toBeGreaterThan(0);
      console.log(`  ${files.join(', ')}: ${why}`);
    }

    const made = await createTestHost({ simulator: { recordings: folder } });
    try {
      const days = [...new Set(expected.map(({ dataset, day }) => `${dataset} ${day}`))];
      for (const [dataset, wanted] of Map.groupBy(days, (text) => text.split(' ')[0] ?? '')) {
        const sorted = wanted.map((text) => text.split(' ')[1] ?? '').toSorted();
        const only = { from: sorted[0] ?? '', to: addDays(sorted.at(-1) ?? '', 1) };
        // Whole years of single days would be thousands of requests; the days recorded will do.
        const single = spans[dataset] === undefined && dataset !== 'activities' && dataset !== 'hill_score';
        const windows = single ? sorted.map((day) => ({ from: day, to: addDays(day, 1) })) : [only];
        for (const window of windows) {
          const { status } = await made.run({ only: window, onlyDatasets: [dataset] });
          expect({ dataset, window, status }).toEqual({ dataset, window, status: 'succeeded' });
        }
      }
      const rows = await made.query<{ dataset: string; day: string; data: unknown }>(
        `select payload_json->>'metric_type' as dataset, payload_json->>'metric_date' as day, payload_json->'data' as data
         from raw.raw_event`,
      );
      const order = (a: Expected, b: Expected): number =>
        `${a.dataset} ${a.day}`.localeCompare(`${b.dataset} ${b.day}`);
      const full = expected.filter(({ data }) => data !== null);
      expect(rows.toSorted(order)).toEqual(full.toSorted(order));
      expect(rows.length).toBeGreaterThan(40);
      const empty = expected.filter(({ data }) => data === null);
      expect(empty.length).toBeGreaterThan(0);
      for (const { dataset, day } of empty) {
        const [entry] = await made.query<{ outcome: string }>(
          `select outcome from app.slice_ledger where dataset = '${dataset}' and day = '${day}'`,
        );
        expect({ dataset, day, outcome: entry?.outcome }).toEqual({ dataset, day, outcome: 'no_data' });
      }
    } finally {
      await made.close();
    }
  },
);

test.runIf(present)('the recorded training status reaches the store value for value', async () => {
  const { mostRecentTrainingStatus: recorded } = read('training_status/00_200.json') as Record<
    string,
    { payload: unknown }
  >;
  const made = await createTestHost({ simulator: { recordings: folder } });
  try {
    await made.run({ only: { from: '2025-06-11', to: '2025-06-12' }, onlyDatasets: ['training_status'] });
    const rows = await made.query<{ status: unknown }>(
      `select payload_json->'data'->'mostRecentTrainingStatus' as status from raw.raw_event`,
    );
    expect(rows).toEqual([{ status: recorded?.payload }]);
  } finally {
    await made.close();
  }
});
