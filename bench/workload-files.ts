// The workloads as files: lines as they come off the wire, and the same rows as COPY takes them.
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a workload lies. */
export function workloadFile(
  folder: string,
  {
    workload,
    kind,
    warm,
  }: { readonly workload: string; readonly kind: 'ndjson' | 'copy'; readonly warm: boolean },
): string {
  return join(folder, `${workload}${warm ? '-warm' : ''}.${kind}`);
}

/** The lines of a file as they arrive, a block of 64 KB at a time, as from a socket. */
export async function* linesOf(file: string): AsyncGenerator<string[]> {
  let rest = '';
  for await (const block of createReadStream(file, { encoding: 'utf8' })) {
    const lines = (rest + String(block)).split('\n');
    rest = lines.pop() ?? '';
    yield lines;
  }
  if (rest !== '') yield [rest];
}

/** Reads the rows of a `copy` file in groups of so many: each group is one Buffer. */
export function copyGroups(file: string, rows: number): Buffer[] {
  const all = readFileSync(file);
  const groups: Buffer[] = [];
  let from = 0;
  let count = 0;
  for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10, end + 1)) {
    count += 1;
    if (count % rows !== 0 && end !== all.length - 1) continue;
    groups.push(all.subarray(from, end + 1));
    from = end + 1;
  }
  return groups;
}
