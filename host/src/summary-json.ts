import type { DatasetCounts, RunSummary } from '@on-the-way/core';
import { formatInstant } from '@on-the-way/sdk';

/** The counts of a dataset in the API's spelling. Runs of earlier versions counted less. */
function countsJson({ notAsked = 0, setAside = 0, givenUp = 0, ...counts }: StoredCounts) {
  const { read = counts.written + counts.unchanged + counts.conflicts, ...others } = counts;
  return { ...others, not_asked: notAsked, read, set_aside: setAside, given_up: givenUp };
}

type Added = 'notAsked' | 'read' | 'setAside' | 'givenUp';
type StoredCounts = Omit<DatasetCounts, Added> & Partial<Pick<DatasetCounts, Added>>;

/** Those of each dataset. */
export function datasetsJson(datasets: Readonly<Record<string, StoredCounts>>) {
  return Object.fromEntries(Object.entries(datasets).map(([name, counts]) => [name, countsJson(counts)]));
}

/** A finished run as `otw run --json` prints it and GET /v1/events tells it. */
export function summaryJson(summary: RunSummary, timeZone: string) {
  const { error } = summary;
  const stamp = (at: number): string => formatInstant(at, timeZone);
  return {
    run_id: summary.runId,
    connection: summary.connection,
    status: summary.status,
    started_at: stamp(summary.startedAt),
    finished_at: stamp(summary.finishedAt),
    slices_planned: summary.slicesPlanned,
    requests: summary.requests,
    skipped: summary.skipped ?? null,
    datasets: datasetsJson(summary.datasets),
    error: error ? { code: error.code, message: error.message } : null,
    not_before: error?.retryAfterMs === undefined ? null : stamp(summary.finishedAt + error.retryAfterMs),
  };
}
