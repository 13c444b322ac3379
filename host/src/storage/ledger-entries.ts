import type { LedgerEntry, LedgerQuestion, Outcome } from '@on-the-way/core';
import { addDays, type Day, type Window } from '@on-the-way/sdk';
import { prepared, type Database } from './database.ts';

interface Span extends Window {
  readonly datasets: readonly string[];
}

// After every day there is.
const endOfDays = '9999-12-31';

/** Where the rows lie that a plan needs, as few ranges of days as there are. */
function spansToRead({ from, datasets, frontiers = [] }: LedgerQuestion): Span[] {
  const hidden = frontiers.filter(({ to, dataset }) => to > from && datasets.includes(dataset));
  const top =
    hidden
      .map(({ to }) => to)
      .toSorted()
      .at(-1) ?? from;
  const others = datasets.filter((name) => !hidden.some(({ dataset }) => dataset === name));
  const grouped = (end: 'from' | 'to'): [Day, readonly string[]][] =>
    [...Map.groupBy(hidden, (frontier) => frontier[end])].map(([day, those]) => [
      day,
      those.map(({ dataset }) => dataset),
    ]);
  return [
    { from: top, to: endOfDays, datasets },
    { from, to: top, datasets: others },
    ...grouped('to').map(([day, names]) => ({ from: day, to: top, datasets: names })),
    ...grouped('from').map(([day, names]) => ({ from, to: day, datasets: names })),
  ].filter((span) => span.from < span.to && span.datasets.length > 0);
}

/** All that is found, each member in the same order: a row a day would take most of the time that a plan has. */
interface EntriesRow {
  /** Names, U+001F between them. Null where nothing is found; of the others a comma is between them. */
  readonly datasets: string | null;
  /** Days since 1970; a number costs less than a date, here and there. */
  readonly days: string;
  /** A letter a day, see {@link outcomes}. */
  readonly outcomes: string;
  readonly attempts: string;
  /** Seconds since 1970. */
  readonly at: string;
  /** Null where no day has one. */
  readonly marks: readonly (string | null)[] | null;
  /** What few days have; null where none has. */
  readonly besides: readonly Besides[] | null;
}

interface Besides {
  readonly dataset: string;
  readonly day: number;
  readonly reason: string | null;
  readonly errorCode: string | null;
  readonly setAsideBy: string | null;
  readonly askedBy: string | null;
}

const outcomes: Readonly<Record<string, Outcome>> = {
  o: 'ok',
  n: 'no_data',
  s: 'not_supported',
  f: 'failed',
};

const letterSql = `case outcome when 'ok' then 'o' when 'no_data' then 'n' when 'not_supported' then 's' else 'f' end`;

// Read by their index whatever their day; a version of null asks for all of them.
const isOpenFailure = `outcome = 'failed' and (set_aside_at is null or bad_answer_version is distinct from ?::text)`;

const readColumns = `dataset, day, outcome, attempts, last_attempt_at, mark, error_code, error_message, set_aside_at,
  bad_answer_version, plugin_version`;
const inSpanSql = `select ${readColumns} from app.slice_ledger where connection = ? and day >= ?::date and day < ?::date
  and dataset = any(?::text[]) and not (${isOpenFailure})`;
const failuresSql = `select ${readColumns} from app.slice_ledger where connection = ? and dataset = any(?::text[])
  and ${isOpenFailure}`;

function readSql(spans: readonly Span[]): string {
  const allRead = [...spans.map(() => inSpanSql), failuresSql].join(' union all ');
  return `
    select string_agg(dataset, E'\\x1F') as datasets, string_agg((day - date '1970-01-01')::text, ',') as days,
      string_agg(${letterSql}, '') as outcomes, string_agg(attempts::text, ',') as attempts,
      string_agg(date_part('epoch', last_attempt_at)::text, ',') as at,
      case when count(mark) > 0 then to_json(array_agg(mark)) end as marks,
      json_agg(json_build_object('dataset', dataset, 'day', day - date '1970-01-01',
        'reason', case when outcome = 'not_supported' and attempts > 0 then error_message end,
        'errorCode', case when outcome = 'failed' then error_code end,
        'setAsideBy', case when set_aside_at is not null then bad_answer_version end,
        'askedBy', case when set_aside_at is not null then plugin_version end))
        filter (where outcome in ('failed', 'not_supported') or set_aside_at is not null) as besides
    from (${allRead}) as slice`;
}

function dayOf(number: number): Day {
  return addDays('1970-01-01', number);
}

function besidesOf({ reason, errorCode, setAsideBy, askedBy }: Besides) {
  return {
    ...(reason !== null && { reason }),
    ...(errorCode !== null && { errorCode }),
    ...(setAsideBy !== null && { setAsideBy }),
    ...(askedBy !== null && { askedBy }),
  };
}

function keyOf(dataset: string, day: number | string): string {
  return `${dataset} ${day}`;
}

function entriesOf({ marks, ...row }: EntriesRow): LedgerEntry[] {
  if (row.datasets === null) return [];
  const [datasets, days] = [row.datasets.split('\u001F'), row.days.split(',')];
  const [attempts, at] = [row.attempts.split(','), row.at.split(',')];
  const besides =
    row.besides && new Map(row.besides.map((some) => [keyOf(some.dataset, some.day), besidesOf(some)]));
  return datasets.map((dataset, index) => {
    const day = days[index] ?? '';
    const mark = marks?.[index] ?? undefined;
    const entry = {
      dataset,
      day: dayOf(Number(day)),
      outcome: outcomes[row.outcomes[index] ?? ''] ?? 'failed',
      attempts: Number(attempts[index]),
      lastAttemptAt: Math.round(Number(at[index]) * 1000),
    };
    const more = besides?.get(keyOf(dataset, day));
    if (mark === undefined && !more) return entry;
    return { ...entry, ...(mark !== undefined && { mark }), ...more };
  });
}

/** Outcomes out of app.slice_ledger that a plan is made from, in no order. */
export async function readEntries(
  database: Database,
  connection: string,
  question: LedgerQuestion,
): Promise<readonly LedgerEntry[]> {
  const { datasets, version = null } = question;
  const spans = spansToRead(question);
  const values = spans.flatMap((span) => [connection, span.from, span.to, span.datasets, version]);
  const all = [...values, connection, datasets, version];
  const { rows } = await prepared<EntriesRow>(database, readSql(spans), all);
  return rows.flatMap(entriesOf);
}
