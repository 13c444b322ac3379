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
  const few = (key: keyof (typeof all)[number], words: string): string[] =>
    sum(key) > 0 ? [`${sum(key)} ${words}`] : [];
  const seconds = ((summary.finishedAt - summary.startedAt) / 1000).toFixed(1);
  const parts = [
    `${sum('written')} new`,
    `${sum('unchanged')} unchanged`,
    ...few('conflicts', 'conflicts'),
    ...few('setAside', 'set aside'),
    ...few('givenUp', 'given up'),
    `${sum('failed')} failed days`,
    ...few('notAsked', 'not asked for'),
    `${summary.requests} requests`,
    `${seconds} s`,
  ];
  return parts.join(', ');
}

const usual = ['ok', 'no_data', 'not_supported', 'failed', 'written', 'unchanged'] as const;
const rare = {
  notAsked: 'not_asked',
  conflicts: 'conflicts',
  setAside: 'set_aside',
  givenUp: 'given_up',
} as const;

/** A line a dataset; days that were not asked for, and events that were neither written nor unchanged, have columns where there are any. */
function tableOf({ datasets }: RunSummary): string {
  const all = Object.values(datasets);
  const extra = (['notAsked', 'conflicts', 'setAside', 'givenUp'] as const).filter((key) =>
    all.some((counts) => counts[key] > 0),
  );
  const head = ['dataset', ...usual, ...extra.map((key) => rare[key])];
  const rows = Object.entries(datasets).map(([dataset, counts]) => [
    dataset,
    ...[...usual, ...extra].map((key) => counts[key]),
  ]);
  return formatTable(head, rows);
}

/** The table by dataset and what it adds up to. */
export function formatSummary(summary: RunSummary, timeZone: string): string {
  const { status, error } = summary;
  const table = Object.keys(summary.datasets).length > 0 ? [tableOf(summary), ''] : [];
  const style = status === 'succeeded' ? 'green' : status === 'partial' ? 'yellow' : 'red';
  const lines = [...table, `${paint(style, status)}: ${totals(summary)}`];
  if (summary.skipped !== undefined) lines.push(`skipped: ${summary.skipped}`);
  if (error) lines.push(`${error.code}: ${error.message}`);
  if (error?.retryAfterMs !== undefined) {
    lines.push(`not before ${formatInstant(summary.finishedAt + error.retryAfterMs, timeZone)}`);
  }
  return lines.join('\n');
}
