import {
  absenceOf,
  okDaysOf,
  readForPlan,
  rowOf,
  type Absence,
  type LedgerEntry,
  type PlanInput,
} from '@on-the-way/core';
import { dayAt, formatInstant, type DatasetInfo } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import type { ConnectionStore } from './storage/connections.ts';
import type { LedgerStore } from './storage/ledger.ts';

/** A dataset, and what became of it when it was last asked for. */
interface SeenDataset {
  readonly info: DatasetInfo;
  /** The newest day that was really asked for. */
  readonly newest?: LedgerEntry;
  readonly absence?: Absence;
}

function seenDatasets({ datasets, entries, frontiers = [], signedInAt }: PlanInput): SeenDataset[] {
  const okDays = okDaysOf(datasets, entries);
  const known = Map.groupBy(entries, ({ dataset }) => dataset);
  return datasets.map((info) => {
    const own = known.get(info.name) ?? [];
    const asked = own.filter(({ attempts }) => attempts > 0).toSorted((a, b) => (a.day < b.day ? 1 : -1));
    const hidden = frontiers.find(({ dataset }) => dataset === info.name);
    const context = { okDays, hidden, ...(signedInAt !== undefined && { signedInAt }) };
    const absence = absenceOf(info, rowOf(own, context), context);
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

/** A dataset as `otw datasets --json` and the API show it. */
export type DatasetJson = ReturnType<typeof datasetJson>;

/** What can be read of a connection, and what was last seen of it; empty before anybody has logged in. */
export async function datasetsOf(
  stores: { readonly ledger: LedgerStore; readonly connections: ConnectionStore },
  { connection, now, timeZone }: { connection: ConnectionConfig; now: number; timeZone: string },
): Promise<readonly DatasetJson[]> {
  const state = await stores.connections.state(connection.name);
  const { name, timeZone: zone, windowDays } = connection;
  const plan = await readForPlan(stores.ledger, name, {
    datasets: state.datasets ?? [],
    now,
    timeZone: zone,
    windowDays,
    backfillFrom: state.backfillFrom ?? dayAt(now, zone),
    ...(state.signedInAt && { signedInAt: state.signedInAt.getTime() }),
  });
  const stamp = (at: number): string => formatInstant(at, timeZone);
  return seenDatasets(plan).map((dataset) => datasetJson(dataset, stamp));
}
