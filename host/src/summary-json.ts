import type { RunSummary } from '@on-the-way/core';
import { formatInstant } from '@on-the-way/sdk';

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
    datasets: summary.datasets,
    error: error ? { code: error.code, message: error.message } : null,
    not_before: error?.retryAfterMs === undefined ? null : stamp(summary.finishedAt + error.retryAfterMs),
  };
}
