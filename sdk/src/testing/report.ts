import type { CheckResult, Report } from './run-checks.ts';

const marks: Readonly<Record<CheckResult['status'], string>> = {
  passed: 'ok',
  failed: 'FAILED',
  skipped: 'skipped',
  undeclared: 'SKIPPED, no reason given',
};

/** How many checks ended how. */
export function countResults({ results }: Report): Readonly<Record<CheckResult['status'], number>> {
  const counts = { passed: 0, failed: 0, skipped: 0, undeclared: 0 };
  for (const { status } of results) counts[status] += 1;
  return counts;
}

/** One line for people: number, title, how it ended, and why where it did not pass. */
export function formatResult({ check: { id, title }, status, reason }: CheckResult): string {
  const line = `${String(id).padStart(2)}  ${marks[status].padEnd(8)} ${title}`;
  return reason === undefined ? line : `${line}\n      ${reason.replaceAll('\n', '\n      ')}`;
}

/** The table `otw plugin test` prints: a line a check under its topic, and the sums. */
export function formatReport(report: Report): string {
  const lines: string[] = [];
  let topic = '';
  for (const result of report.results) {
    if (result.check.topic !== topic) lines.push((topic = result.check.topic));
    lines.push(formatResult(result));
  }
  const { passed, failed, skipped, undeclared } = countResults(report);
  const sums = `${passed} passed, ${failed} failed, ${skipped} skipped with a reason`;
  lines.push(
    '',
    `${report.plugin} ${report.version}: ${sums}${undeclared > 0 ? `, ${undeclared} without` : ''}`,
  );
  return lines.join('\n');
}

/** A table of plugins side by side, for documentation: a row a check, a column a plugin. Markdown. */
export function formatMatrix(reports: readonly Report[]): string {
  const cell = { passed: '✓', failed: '✗', skipped: '–', undeclared: '?' } as const;
  const all = new Map(
    reports.flatMap(({ results }) => results.map(({ check }) => [check.id, check] as const)),
  );
  const rows = [...all.values()]
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, title }) => {
      const cells = reports.map(({ results }) => {
        const found = results.find(({ check }) => check.id === id);
        return found ? cell[found.status] : '';
      });
      return `| ${id} | ${title} | ${cells.join(' | ')} |`;
    });
  const names = reports.map(({ plugin }) => plugin);
  return [
    `| | check | ${names.join(' | ')} |`,
    `| --- | --- | ${names.map(() => ':-:').join(' | ')} |`,
    ...rows,
  ].join('\n');
}
