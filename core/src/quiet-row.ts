import type { LedgerEntry, QuietRun } from './ports.ts';

/** Days in a row without data, from the newest day that was asked for down. */
export interface QuietRow {
  /** Those that were refused as not supported, before one that was merely without data. */
  readonly refused?: QuietRun;
  /** All of them. */
  readonly silent?: QuietRun;
  /** The row with what ends it, as a frontier keeps it. */
  readonly runs: readonly QuietRun[];
}

const kinds = { not_supported: 'refused', no_data: 'silent', ok: 'end', failed: 'end' } as const;

/** Days that were asked for, newest first, down to the first one with data or a failure. */
export function runsOf(entries: readonly LedgerEntry[]): QuietRun[] {
  const end = entries.findIndex(({ outcome }) => kinds[outcome] === 'end');
  return entries.slice(0, end === -1 ? entries.length : end + 1).map((entry) => {
    const { day, outcome, lastAttemptAt, reason } = entry;
    const about = { kind: kinds[outcome], count: 1, newest: day, since: day, lastAskedAt: lastAttemptAt };
    return { ...about, ...(reason !== undefined && { reason }) };
  });
}

function joined(runs: readonly QuietRun[], kind: QuietRun['kind']): QuietRun[] {
  const [first] = runs;
  const last = runs.at(-1);
  if (!first || !last) return [];
  const reason = runs.find((run) => run.reason !== undefined)?.reason;
  const run = {
    kind,
    count: runs.reduce((sum, { count }) => sum + count, 0),
    newest: first.newest,
    since: last.since,
    lastAskedAt: Math.max(...runs.map(({ lastAskedAt }) => lastAskedAt)),
  };
  return [{ ...run, ...(reason !== undefined && { reason }) }];
}

/** The row that runs begin with, newest first. */
export function quietRowOf(runs: readonly QuietRun[]): QuietRow {
  const until = (wanted: readonly string[]): number => {
    const end = runs.findIndex(({ kind }) => !wanted.includes(kind));
    return end === -1 ? runs.length : end;
  };
  const [refusals, end] = [until(['refused']), until(['refused', 'silent'])];
  const [refused] = joined(runs.slice(0, refusals), 'refused');
  const [silent] = joined(runs.slice(0, end), 'silent');
  return {
    ...(refused && { refused }),
    ...(silent && { silent }),
    runs: [
      ...(refused ? [refused] : []),
      ...joined(runs.slice(refusals, end), 'silent'),
      ...runs.slice(end, end + 1),
    ],
  };
}
