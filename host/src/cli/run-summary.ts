import type { RunSummary } from '@on-the-way/core';
import { formatInstant } from '@on-the-way/sdk';
import { exitCodes } from '../host-error.ts';
import { exitCodeOfError } from './exit-code.ts';
import { formatTable, paint } from './output.ts';

export { summaryJson } from '../summary-json.ts';

/** The exit code that tells a script how the run went. */
export function exitCodeOf({ status, error }: RunSummary): number {
  if (status === 'succeeded') return exitCodes.done;
  if (status === 'partial') return exitCodes.incomplete;
  if (status === 'interrupted') return exitCodes.interrupted;
  return exitCodeOfError(error?.code);
}

function totals(summary: RunSummary): string {
  const all = Object.values(summary.datasets);
  const sum = (key: keyof (typeof all)[number]): number =>
    all.reduce((total, counts) => total + counts[key], 0);
  const seconds = ((summary.finishedAt - summary.startedAt) / 1000).toFixed(1);
  const parts = [
    `${sum('written')} new`,
    `${sum('unchanged')} unchanged`,
    ...(sum('conflicts') > 0 ? [`${sum('conflicts')} conflicts`] : []),
    `${sum('failed')} failed days`,
    `${summary.requests} requests`,
    `${seconds} s`,
  ];
  return parts.join(', ');
}

/** The table by dataset and what it adds up to. */
export function formatSummary(summary: RunSummary, timeZone: string): string {
  const { status, error } = summary;
  const rows = Object.entries(summary.datasets).map(([dataset, counts]) => [
    dataset,
    counts.ok,
    counts.no_data,
    counts.not_supported,
    counts.failed,
    counts.written,
    counts.unchanged,
  ]);
  const head = ['dataset', 'ok', 'no_data', 'not_supported', 'failed', 'written', 'unchanged'];
  const table = rows.length > 0 ? [formatTable(head, rows), ''] : [];
  const style = status === 'succeeded' ? 'green' : status === 'partial' ? 'yellow' : 'red';
  const lines = [...table, `${paint(style, status)}: ${totals(summary)}`];
  if (summary.skipped !== undefined) lines.push(`skipped: ${summary.skipped}`);
  if (error) lines.push(`${error.code}: ${error.message}`);
  if (error?.retryAfterMs !== undefined) {
    lines.push(`not before ${formatInstant(summary.finishedAt + error.retryAfterMs, timeZone)}`);
  }
  return lines.join('\n');
}
