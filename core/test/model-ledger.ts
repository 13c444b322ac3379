import type { Day } from '@on-the-way/sdk';
import type { Frontier, Frontiers, Ledger, LedgerEntry, SliceOutcome } from '../src/ports.ts';

/** The host's ledger without its database: the same rules, for tests of plans over many runs. */
export interface ModelLedger extends Ledger {
  readonly frontiers: Frontiers;
}

const keyOf = ({ dataset, day }: { readonly dataset: string; readonly day: Day }): string =>
  `${dataset} ${day}`;

/** No longer true once the outcome is recorded. */
function isBroken(
  { from, to, row, absentFrom }: Frontier,
  { day, outcome, attempts }: SliceOutcome,
): boolean {
  if (day < from || day >= to) return false;
  const end = row.findLast(({ kind }) => kind === 'end')?.newest;
  const ofRow = day >= (end ?? from) && !(outcome === 'failed' && day === end);
  const isAbsent = outcome === 'not_supported' && attempts === 0;
  return ofRow || (isAbsent && (absentFrom === undefined || day < absentFrom));
}

/** An entry, and how many runs in a row got a bad answer. */
interface KnownEntry extends LedgerEntry {
  readonly badAnswers: number;
}

function entryOf(
  known: KnownEntry | undefined,
  outcome: SliceOutcome,
  { version, at }: { readonly version: string; readonly at: number },
): KnownEntry {
  const { dataset, day, errorMessage: reason, setAsideAfter = Infinity } = outcome;
  const hasFailed = outcome.outcome === 'failed';
  const goesOn = known?.outcome === 'failed' && (hasFailed || outcome.attempts > 0);
  const attempts = (goesOn ? known.attempts : 0) + outcome.attempts;
  const mark = hasFailed || outcome.attempts === 0 ? known?.mark : outcome.mark;
  const isBad = hasFailed && outcome.setAsideAfter !== undefined;
  const badAnswers = hasFailed ? (known?.badAnswers ?? 0) + (isBad ? 1 : 0) : 0;
  const isSetAside = hasFailed && (known?.setAsideBy !== undefined || (isBad && badAnswers >= setAsideAfter));
  return {
    dataset,
    day,
    outcome: outcome.outcome,
    attempts,
    lastAttemptAt: at,
    badAnswers,
    ...(mark !== undefined && { mark }),
    ...(outcome.outcome === 'not_supported' && attempts > 0 && reason !== undefined && { reason }),
    ...(hasFailed && outcome.errorCode !== undefined && { errorCode: outcome.errorCode }),
    ...(isSetAside && { setAsideBy: isBad ? version : known!.setAsideBy!, askedBy: version }),
  };
}

/** What is read as it is now has no past: this is all there is to be had for a day that failed. */
function cover(entries: Map<string, KnownEntry>, { dataset, day }: SliceOutcome): void {
  for (const [key, entry] of entries) {
    const isCovered = entry.dataset === dataset && entry.day < day && entry.outcome === 'failed';
    if (isCovered) entries.set(key, { ...entry, outcome: 'no_data' });
  }
}

/** Makes an empty one. */
export function createModelLedger(): ModelLedger {
  const entries = new Map<string, KnownEntry>();
  const kept = new Map<string, Frontier>();
  return {
    async read(_connection, { from, datasets, frontiers = [], version }) {
      return [...entries.values()].filter((entry) => {
        if (!datasets.includes(entry.dataset)) return false;
        if (entry.outcome === 'failed' && (entry.setAsideBy === undefined || entry.setAsideBy !== version))
          return true;
        const hidden = frontiers.find(({ dataset }) => dataset === entry.dataset);
        return entry.day >= from && !(hidden && hidden.from <= entry.day && entry.day < hidden.to);
      });
    },
    frontiers: {
      load: async () => [...kept.values()],
      async save(frontiers) {
        for (const frontier of frontiers) kept.set(frontier.dataset, frontier);
      },
    },
    async record(run, outcomes) {
      for (const outcome of outcomes) {
        const frontier = kept.get(outcome.dataset);
        if (frontier && isBroken(frontier, outcome)) kept.delete(outcome.dataset);
        entries.set(keyOf(outcome), entryOf(entries.get(keyOf(outcome)), outcome, run));
        if (outcome.coversEarlier === true) cover(entries, outcome);
      }
    },
  };
}
