import type { DatasetDefinition } from '@on-the-way/sdk';
import type { DatasetName } from '../empty.ts';
import type { GarminSession } from '../session.ts';
import { body } from './body.ts';
import { daily } from './daily.ts';
import type { DatasetEntry } from './entry.ts';
import { plans } from './plans.ts';
import { toDataset } from './read.ts';
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

const datasets: Readonly<Record<string, DatasetDefinition<GarminSession>>> = Object.freeze(
  Object.fromEntries(Object.entries(datasetTable).map(([name, entry]) => [name, toDataset(entry)])),
);

/** The wanted datasets, in the table's order. */
export function pickDatasets(names: readonly string[]): Record<string, DatasetDefinition<GarminSession>> {
  return Object.fromEntries(Object.entries(datasets).filter(([name]) => names.includes(name)));
}
