import type { Outcome } from '@on-the-way/core';
import { addDays, dayAt, daysOf, type DatasetInfo, type Day, type Window } from '@on-the-way/sdk';
import type { ConnectionStore } from './storage/connections.ts';
import type { CoverageEntry, LedgerStore } from './storage/ledger.ts';

/** What is known of a (dataset, day): its outcome, `gap` if it was never asked for, `none` if nothing was wanted. */
export type CellState = Outcome | 'gap' | 'none';

/** One cell of the grid. */
export interface CoverageCell {
  readonly day: Day;
  readonly state: CellState;
  /** How often the source changed its answer. */
  readonly revisions: number;
  readonly attempts: number;
  readonly errorCode?: string;
  readonly errorMessage?: string;
  /** What the source left out of it. */
  readonly note?: string;
}

/** The ledger of a connection over a window, dataset by dataset. */
export interface Coverage {
  readonly connection: string;
  readonly window: Window;
  readonly datasets: readonly { readonly dataset: string; readonly cells: readonly CoverageCell[] }[];
  readonly totals: Readonly<Record<CellState | 'revisions', number>>;
}

/** What it is read from. */
interface Stores {
  readonly ledger: Pick<LedgerStore, 'coverage' | 'firstDay'>;
  readonly connections: Pick<ConnectionStore, 'state'>;
}

function cellOf(
  info: { readonly granularity?: DatasetInfo['granularity'] },
  day: Day,
  entry: CoverageEntry | undefined,
  wantedFrom: Day,
  today: Day,
): CoverageCell {
  if (entry) {
    const { revisions, attempts, errorCode, errorMessage, note } = entry;
    return {
      day,
      state: entry.outcome,
      revisions,
      attempts,
      ...(errorCode !== null && { errorCode }),
      ...(errorMessage !== null && { errorMessage }),
      ...(note !== null && { note }),
    };
  }
  // The past of a snapshot and of a cursor cannot be asked for, and a dataset that is read no more has no gaps.
  const isOfToday = info.granularity === 'snapshot' || info.granularity === 'cursor';
  const first = isOfToday ? today : wantedFrom;
  const wanted = info.granularity !== undefined && first <= day && day <= today;
  return { day, state: wanted ? 'gap' : 'none', revisions: 0, attempts: 0 };
}

/** What the connector can read, then what it could read once: the ledger still answers for that. */
function knownDatasets(
  current: readonly DatasetInfo[],
  entries: readonly CoverageEntry[],
): readonly (Pick<DatasetInfo, 'name'> & { readonly granularity?: DatasetInfo['granularity'] })[] {
  const names = new Set(current.map(({ name }) => name));
  const former = [...new Set(entries.map(({ dataset }) => dataset))].filter((name) => !names.has(name));
  return [...current, ...former.map((name) => ({ name }))];
}

/**
 * The first day that can be missing or have changed: the first day wanted, or an older one that a person asked for, such
 * as a backfill's.
 */
export async function firstDayKnown(
  { ledger, connections }: Stores,
  connection: string,
  today: Day,
): Promise<Day> {
  const [known, { backfillFrom }] = await Promise.all([
    ledger.firstDay(connection),
    connections.state(connection),
  ]);
  return [today, known ?? today, backfillFrom ?? today].toSorted()[0]!;
}

/** Reads the grid; without a window, from the first day wanted to today. */
export async function coverageOf(
  stores: Stores,
  request: {
    readonly connection: string;
    readonly timeZone: string;
    readonly now: number;
    readonly window?: Partial<Window>;
  },
): Promise<Coverage> {
  const { connection } = request;
  const state = await stores.connections.state(connection);
  const today = dayAt(request.now, request.timeZone);
  const wantedFrom = state.backfillFrom ?? today;
  const window = { from: request.window?.from ?? wantedFrom, to: request.window?.to ?? addDays(today, 1) };
  const entries = await stores.ledger.coverage(connection, window.from, window.to);
  const known = new Map(entries.map((entry) => [`${entry.dataset} ${entry.day}`, entry]));
  const totals: Record<CellState | 'revisions', number> = {
    ok: 0,
    no_data: 0,
    not_supported: 0,
    failed: 0,
    gap: 0,
    none: 0,
    revisions: 0,
  };
  const days = daysOf(window);
  const datasets = knownDatasets(state.datasets ?? [], entries).map((info) => {
    const cells = days.map((day) => cellOf(info, day, known.get(`${info.name} ${day}`), wantedFrom, today));
    for (const cell of cells) {
      totals[cell.state] += 1;
      totals.revisions += cell.revisions;
    }
    return { dataset: info.name, cells };
  });
  return { connection, window, datasets, totals };
}

/** A cell in the API's spelling. */
export function cellJson({ day, state, revisions, attempts, errorCode, errorMessage, note }: CoverageCell) {
  return {
    day,
    state,
    revisions,
    attempts,
    error: errorCode === undefined ? null : { code: errorCode, message: errorMessage ?? null },
    note: note ?? null,
  };
}

/** Days that are wanted and have no answer: never asked for, or failed. */
export function missingOf({ datasets }: Coverage): readonly (CoverageCell & { readonly dataset: string })[] {
  return datasets.flatMap(({ dataset, cells }) =>
    cells.filter(({ state }) => state === 'failed' || state === 'gap').map((cell) => ({ dataset, ...cell })),
  );
}
