import { addDays, dayAt, formatInstant } from '@on-the-way/sdk';
import type { ConnectionConfig } from '../config/host-config.ts';
import {
  cellJson,
  coverageOf,
  firstDayKnown,
  missingOf,
  type CellState,
  type Coverage,
  type CoverageCell,
} from '../coverage.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { revisionsJson, revisionsOf, type Revisions } from '../revisions.ts';
import { chosenConnection, withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { formatTable, paint, print, printJson, say, simulatedNote } from './output.ts';
import { windowOption } from './run.ts';

/** Options of `otw coverage`. */
export interface CoverageOptions extends GlobalOptions {
  readonly from?: string;
  readonly to?: string;
  readonly gaps?: boolean;
  readonly revisions?: boolean;
}

const marks: Readonly<Record<CellState, string>> = {
  ok: '■',
  no_data: '·',
  not_supported: '-',
  failed: '✗',
  gap: '?',
  none: ' ',
};

const styles = {
  ok: 'green',
  no_data: 'dim',
  not_supported: 'dim',
  failed: 'red',
  gap: 'yellow',
  none: 'dim',
} as const;

function mark({ state, revisions }: CoverageCell): string {
  return paint(styles[state], state === 'ok' && revisions > 0 ? '▲' : marks[state]);
}

/** Days as two rows: the month where it begins, then the day of the month. */
function heading(cells: readonly CoverageCell[], indent: number): string[] {
  const months = cells.map(({ day }, index) => (index === 0 || day.endsWith('-01') ? day.slice(0, 7) : ''));
  let line = ' '.repeat(indent);
  for (const [index, month] of months.entries()) {
    if (month !== '' && line.length <= indent + index * 3) line = line.padEnd(indent + index * 3) + month;
  }
  return [line, ' '.repeat(indent) + cells.map(({ day }) => day.slice(8).padStart(2)).join(' ')];
}

function grid(coverage: Coverage, columns: number): string {
  const width = Math.max(...coverage.datasets.map(({ dataset }) => dataset.length));
  const fitting = Math.max(7, Math.floor((columns - width - 2) / 3));
  const shown = coverage.datasets.map(({ dataset, cells }) => ({ dataset, cells: cells.slice(-fitting) }));
  const lines = heading(shown[0]?.cells ?? [], width + 2);
  for (const { dataset, cells } of shown) {
    lines.push(`${dataset.padEnd(width + 2)}${cells.map((cell) => ` ${mark(cell)}`).join(' ')}`);
  }
  return lines.join('\n');
}

function legend({ totals }: Coverage): string {
  return [
    `■ ok ${totals.ok}`,
    `· no data ${totals.no_data}`,
    `- not supported ${totals.not_supported}`,
    `✗ failed ${totals.failed}`,
    `? never asked ${totals.gap}`,
    `▲ changed at the source since first read, ${totals.revisions} times`,
  ].join('   ');
}

function missingRows(coverage: Coverage): GapRow[] {
  return missingOf(coverage).map(({ dataset, day, state, attempts, errorCode, errorMessage }): GapRow => {
    const why = [errorCode, errorMessage].filter(Boolean).join(': ');
    return [dataset, day, state === 'gap' ? 'never asked' : 'failed', attempts, why];
  });
}

type GapRow = readonly [dataset: string, days: string, state: string, tries: number | '', why: string];

/** What there is not, or not all of, with its reason once for days in a row that share it. */
function remarkRows({ datasets }: Coverage): GapRow[] {
  return datasets.flatMap(({ dataset, cells }) => {
    const spans: { readonly state: string; readonly why: string; readonly from: string; to: string }[] = [];
    for (const { day, state, errorMessage, note } of cells) {
      const why = state === 'not_supported' ? (errorMessage ?? '') : state === 'ok' ? note : undefined;
      if (why === undefined) continue;
      const shown = state === 'ok' ? 'incomplete' : 'not supported';
      const last = spans.at(-1);
      if (last && last.why === why && last.state === shown && addDays(last.to, 1) === day) last.to = day;
      else spans.push({ state: shown, why, from: day, to: day });
    }
    return spans.map(({ state, why, from, to }): GapRow => [
      dataset,
      from === to ? from : `${from}..${to}`,
      state,
      '',
      why,
    ]);
  });
}

function printGaps(coverage: Coverage): void {
  const missing = missingRows(coverage);
  const remarks = remarkRows(coverage);
  const rows = [...missing, ...remarks];
  if (rows.length > 0) print(formatTable(['dataset', 'day', 'state', 'tries', 'why'], rows));
  if (missing.length > 0) return say(`${missing.length} days are missing.`);
  const { from, to } = coverage.window;
  say(
    remarks.length > 0
      ? `No gaps beside these: every other day that is wanted has an answer, from ${from} to ${addDays(to, -1)}.`
      : `No gaps: every day that is wanted has an answer, from ${from} to ${addDays(to, -1)}.`,
  );
}

/** The grid in the API's spelling, or with `--gaps` what is missing alone. */
function coverageJson(coverage: Coverage, { gaps }: CoverageOptions, simulated: boolean) {
  const { connection, window, datasets, totals } = coverage;
  const grid = datasets.map(({ dataset, cells }) => ({ dataset, cells: cells.map(cellJson) }));
  return {
    connection,
    simulated,
    from: window.from,
    to: addDays(window.to, -1),
    ...(gaps !== true && { datasets: grid }),
    gaps: missingOf(coverage).map(({ dataset, ...missing }) => ({ dataset, ...cellJson(missing) })),
    totals,
  };
}

function show(coverage: Coverage, options: CoverageOptions, simulated: boolean): void {
  if (options.json === true) return printJson(coverageJson(coverage, options, simulated));
  if (simulated) say(simulatedNote);
  if (coverage.datasets.length === 0) {
    return say(
      `Nothing is known of ${coverage.connection} yet: no run has logged in. Try: otw run ${coverage.connection}`,
    );
  }
  if (options.gaps === true) return printGaps(coverage);
  print(grid(coverage, process.stdout.columns ?? 120));
  print('');
  print(legend(coverage));
}

function showRevisions(revisions: Revisions, timeZone: string): void {
  const { days, datasets } = revisions;
  if (days.length === 0) return say('The source has changed none of these days since they were first read.');
  const changes = days.map(({ dataset, day, revisions: times, changedAt, daysLate }) => [
    dataset,
    day,
    times,
    daysLate,
    formatInstant(changedAt.getTime(), timeZone),
  ]);
  print(formatTable(['dataset', 'day', 'times', 'days late', 'last change'], changes));
  print('');
  const rows = datasets
    .filter(({ changed }) => changed > 0)
    .map(({ dataset, days: known, changed, medianDaysLate, p95DaysLate, mostDaysLate }) => [
      dataset,
      known,
      changed,
      medianDaysLate ?? '',
      p95DaysLate ?? '',
      mostDaysLate ?? '',
    ]);
  print(formatTable(['dataset', 'days', 'changed', 'median days late', '95 of 100', 'at most'], rows));
}

/** Which days changed after the fact; the rest of what `otw coverage` shows is left out. */
async function revisionsCommand(
  { config, host }: CommandContext,
  { name, timeZone }: ConnectionConfig,
  options: CoverageOptions,
): Promise<number> {
  const today = dayAt(Date.now(), timeZone);
  const all = { from: await firstDayKnown(host, name, today), to: addDays(today, 1) };
  const revisions = await revisionsOf(host.ledger, name, { ...all, ...windowOption(options, today) });
  if (options.json === true) {
    printJson({ simulated: config.demo, ...revisionsJson(revisions, config.timeZone) });
    return exitCodes.done;
  }
  if (config.demo) say(simulatedNote);
  showRevisions(revisions, config.timeZone);
  return exitCodes.done;
}

/** `otw coverage`: the ledger as a grid, day by dataset. */
export async function coverageCommand(name: string | undefined, options: CoverageOptions): Promise<number> {
  if (options.gaps === true && options.revisions === true)
    throw new HostError(
      exitCodes.usage,
      '--revisions: expected no --gaps, which lists other days; ask for one of them',
    );
  return withContext(options, { role: 'coverage' }, async (context) => {
    const { config, host } = context;
    const chosen = chosenConnection(config, name);
    if (options.revisions === true) return revisionsCommand(context, chosen, options);
    const { name: connection, timeZone } = chosen;
    const now = Date.now();
    const today = dayAt(now, timeZone);
    const all = { from: await firstDayKnown(host, connection, today), to: addDays(today, 1) };
    const window = windowOption(options, today) ?? (options.gaps === true ? all : undefined);
    const coverage = await coverageOf(host, { connection, timeZone, now, ...(window && { window }) });
    show(coverage, options, config.demo);
    return exitCodes.done;
  });
}
