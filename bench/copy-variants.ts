// The baselines P1, P2 and P3 as variants.
import type { Task, Work } from './variants.ts';
import { copyAndMerge, copyIntoHeap, copyIntoTable, copyMessages, openWire, type Wire } from './wire-copy.ts';
import { copyGroups, workloadFile } from './workload-files.ts';

/** COPY text prepared as messages: one group a transaction. */
function prepareCopies({ folder, workload, rows, warmRows, transactionRows }: Task, connections: number) {
  const groups = (warm: boolean, count: number) => {
    const share = count / connections;
    // Each connection has as much as the other.
    const size = Math.ceil(share / Math.ceil(share / transactionRows));
    return copyGroups(workloadFile(folder, { workload, kind: 'copy', warm }), size).map(copyMessages);
  };
  return { first: groups(true, warmRows), all: groups(false, rows) };
}

async function openCopy(task: Task, sql: string, connections = 1): Promise<Work> {
  const { first, all } = prepareCopies(task, connections);
  const wires: Wire[] = await Promise.all(Array.from({ length: connections }, () => openWire(task.url)));
  return {
    async write({ warm }) {
      const groups = warm ? first : all;
      const conflicts = await Promise.all(
        wires.map(async (wire, lane) => {
          let told = 0;
          for (let at = lane; at < groups.length; at += wires.length)
            told += await wire.copy(sql, groups[at]!);
          return told;
        }),
      );
      const sum = conflicts.reduce((one, other) => one + other, 0);
      return { written: Number.NaN, unchanged: Number.NaN, conflicts: sum };
    },
    close: async () => void (await Promise.all(wires.map((wire) => wire.close()))),
  };
}

/** P1 */
export const openHeap = (task: Task): Promise<Work> => openCopy(task, copyIntoHeap);
/** P2 */
export const openTable = (task: Task): Promise<Work> => openCopy(task, copyIntoTable);
/** P3 */
export const openMerge = (task: Task): Promise<Work> => openCopy(task, copyAndMerge);
/** P3x2 */
export const openMergeTwice = (task: Task): Promise<Work> => openCopy(task, copyAndMerge, 2);
