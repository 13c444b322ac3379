import { datasetsToReread, firstDayRead, frontiersInUse, type FrontierInput } from './frontier.ts';
import type { Frontiers, Ledger } from './ports.ts';
import type { PlanInput } from './wanted-days.ts';

/**
 * Reads of the ledger what a plan is made from, and no more: recent days, failures, and days without a final answer.
 * Rejects when the ledger cannot be read.
 */
export async function readForPlan(
  ledger: Pick<Ledger, 'read'> & { readonly frontiers?: Pick<Frontiers, 'load'> },
  connection: string,
  input: FrontierInput,
): Promise<PlanInput> {
  const remembered = (await ledger.frontiers?.load(connection)) ?? [];
  const frontiers = frontiersInUse(input, remembered);
  const from = firstDayRead(input);
  const { version } = input;
  const datasets = input.datasets.map(({ name }) => name);
  const question = { from, datasets, frontiers, ...(version !== undefined && { version }) };
  const read = { ...input, frontiers, entries: await ledger.read(connection, question) };
  const again = datasetsToReread(read);
  if (again.length === 0) return read;
  const others = read.entries.filter(({ dataset }) => !again.includes(dataset));
  return {
    ...input,
    frontiers: frontiers.filter(({ dataset }) => !again.includes(dataset)),
    entries: [...others, ...(await ledger.read(connection, { from, datasets: again }))],
  };
}
