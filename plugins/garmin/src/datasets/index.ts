import type { DatasetDefinition } from '@on-the-way/sdk';
import type { DatasetName } from '../empty.ts';
import type { GarminSession } from '../session.ts';
import { body } from './body.ts';
import { choose } from './choose.ts';
import { daily } from './daily.ts';
import type { DatasetEntry } from './entry.ts';
import { plans } from './plans.ts';
import { describeEntry, toDataset } from './read.ts';
import { training } from './training.ts';

/** Everything that can be read and how it is asked for, in the order it is listed. */
export const datasetTable: Readonly<Record<DatasetName, DatasetEntry>> = Object.freeze({
  ...daily,
  ...body,
  ...training,
  ...plans,
});

/** The names of all datasets. */
export const datasetNames: readonly string[] = Object.freeze(Object.keys(datasetTable));

function pick(name: string, entry: DatasetEntry, session: GarminSession): DatasetDefinition<GarminSession> {
  const choice = choose(name, entry, session);
  if (!('notSupported' in choice)) return toDataset(choice);
  // The host does not fetch what is not supported.
  return { ...describeEntry(entry), notSupported: choice.notSupported, async *fetch() {} };
}

/** The wanted datasets, in the table's order, each as the session's credentials and `intraday` let it be read. */
export function pickDatasets(session: GarminSession): Record<string, DatasetDefinition<GarminSession>> {
  const wanted = Object.entries(datasetTable).filter(([name]) => session.metrics.includes(name));
  return Object.fromEntries(wanted.map(([name, entry]) => [name, pick(name, entry, session)]));
}
