import { addDays, formatInstant, type Window } from '@on-the-way/sdk';
import type { LedgerStore, RevisedDay } from './storage/ledger.ts';

/** How late a dataset changes. */
interface RevisedDataset {
  readonly dataset: string;
  /** Days with an answer. */
  readonly days: number;
  /** Those of them that changed. */
  readonly changed: number;
  /** Of the days that changed: half of them by so many days, 95 of 100, and the last; null where none did. */
  readonly medianDaysLate: number | null;
  readonly p95DaysLate: number | null;
  readonly mostDaysLate: number | null;
}

/** What changed after the fact in a window, and what that says of each dataset. */
export interface Revisions {
  readonly connection: string;
  readonly window: Window;
  /** By dataset, then day. */
  readonly days: readonly RevisedDay[];
  readonly datasets: readonly RevisedDataset[];
}

/** The smallest of the numbers that this share of them does not exceed. `sorted` ascending. */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;
}

/** Reads which days of a window changed, and how late. */
export async function revisionsOf(
  ledger: Pick<LedgerStore, 'revised' | 'answered'>,
  connection: string,
  window: Window,
): Promise<Revisions> {
  const [days, answered] = await Promise.all([
    ledger.revised(connection, window),
    ledger.answered(connection, window),
  ]);
  const byDataset = Map.groupBy(days, ({ dataset }) => dataset);
  const datasets = answered.map(({ dataset, days: count }): RevisedDataset => {
    const late = (byDataset.get(dataset) ?? []).map(({ daysLate }) => daysLate).toSorted((a, b) => a - b);
    return {
      dataset,
      days: count,
      changed: late.length,
      medianDaysLate: quantile(late, 0.5),
      p95DaysLate: quantile(late, 0.95),
      mostDaysLate: quantile(late, 1),
    };
  });
  return { connection, window, days, datasets };
}

/** In the API's spelling. */
export function revisionsJson({ connection, window, days, datasets }: Revisions, timeZone: string) {
  return {
    connection,
    from: window.from,
    to: addDays(window.to, -1),
    days: days.map(({ dataset, day, revisions, firstReadAt, changedAt, daysLate }) => ({
      dataset,
      day,
      revisions,
      first_read_at: formatInstant(firstReadAt.getTime(), timeZone),
      changed_at: formatInstant(changedAt.getTime(), timeZone),
      days_late: daysLate,
    })),
    datasets: datasets.map(
      ({ dataset, days: count, changed, medianDaysLate, p95DaysLate, mostDaysLate }) => ({
        dataset,
        days: count,
        changed,
        median_days_late: medianDaysLate,
        p95_days_late: p95DaysLate,
        most_days_late: mostDaysLate,
      }),
    ),
  };
}
