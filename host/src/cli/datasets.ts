import { absenceOf, okDaysOf, type Absence, type LedgerEntry } from '@on-the-way/core';
import { dayAt, formatInstant, type DatasetInfo } from '@on-the-way/sdk';
import { exitCodes } from '../host-error.ts';
import { chosenConnection, withContext, type GlobalOptions } from './context.ts';
import { formatTable, print, printJson, say, simulatedNote } from './output.ts';

/** A dataset, and what became of it when it was last asked for. */
interface SeenDataset {
  readonly info: DatasetInfo;
  /** The newest day that was really asked for. */
  readonly newest?: LedgerEntry;
  readonly absence?: Absence;
}

function seenDatasets(
  datasets: readonly DatasetInfo[],
  entries: readonly LedgerEntry[],
  signedInAt: number | undefined,
): SeenDataset[] {
  const context = { okDays: okDaysOf(datasets, entries), ...(signedInAt !== undefined && { signedInAt }) };
  const known = Map.groupBy(entries, ({ dataset }) => dataset);
  return datasets.map((info) => {
    const own = known.get(info.name) ?? [];
    const asked = own.filter(({ attempts }) => attempts > 0).toSorted((a, b) => (a.day < b.day ? 1 : -1));
    const absence = absenceOf(info, own, context);
    return { info, ...(asked[0] && { newest: asked[0] }), ...(absence && { absence }) };
  });
}

/** In the API's spelling. */
function datasetJson({ info, newest, absence }: SeenDataset, stamp: (at: number) => string) {
  return {
    dataset: info.name,
    granularity: info.granularity,
    span_days: info.spanDays,
    settle_days: info.settleDays,
    watched: info.watched === true,
    description: info.description,
    last_outcome: newest?.outcome ?? null,
    last_day: newest?.day ?? null,
    last_asked_at: newest ? stamp(newest.lastAttemptAt) : null,
    absent: absence
      ? {
          reason: absence.words,
          since: absence.since ?? null,
          asked_again_at: absence.askAgainAt === undefined ? null : stamp(absence.askAgainAt),
        }
      : null,
  };
}

type DatasetJson = ReturnType<typeof datasetJson>;

function supportOf({ absent, last_outcome: outcome, last_day: day }: DatasetJson): string {
  if (absent === null) return outcome === null ? 'not asked yet' : `${outcome} on ${day}`;
  const since = absent.since === null ? 'not supported' : `not there since ${absent.since}`;
  return absent.asked_again_at === null
    ? since
    : `${since}, asked again on ${absent.asked_again_at.slice(0, 10)}`;
}

function show(items: readonly DatasetJson[]): void {
  const rows = items.map((item) => [
    item.dataset,
    item.granularity === 'range' ? `range of ${item.span_days} days` : item.granularity,
    supportOf(item),
    item.absent?.reason ?? item.description,
  ]);
  print(formatTable(['dataset', 'asked by', 'as last seen', 'about'], rows));
}

/** `otw datasets`: what can be read, and what was last seen of it. */
export function datasetsCommand(name: string | undefined, options: GlobalOptions): Promise<number> {
  return withContext(options, { role: 'datasets' }, async ({ config, host }) => {
    const { name: connection, timeZone } = chosenConnection(config, name);
    const state = await host.connections.state(connection);
    const from = state.backfillFrom ?? dayAt(Date.now(), timeZone);
    const entries = await host.ledger.read(connection, from);
    const stamp = (at: number): string => formatInstant(at, config.timeZone);
    const items = seenDatasets(state.datasets ?? [], entries, state.signedInAt?.getTime()).map((seen) =>
      datasetJson(seen, stamp),
    );
    if (options.json === true) printJson({ connection, simulated: config.demo, datasets: items });
    else if (items.length === 0) {
      say(`Nothing is known of ${connection} yet: no run has logged in. Try: otw run ${connection}`);
    } else {
      if (config.demo) say(simulatedNote);
      show(items);
    }
    return exitCodes.done;
  });
}
