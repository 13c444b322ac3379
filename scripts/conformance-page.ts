import { formatMatrix, type Report } from '@on-the-way/sdk/testing';

/** Where the page is, seen from the root of the repository. */
export const conformancePath = 'docs/conformance.md';

const introduction = `# Conformance of our plugins

What each plugin of this repository promises, as the conformance suite found it. Every plugin, ours or yours, runs the same
checks with [\`otw plugin test\`](cli.md#otw-plugin-test).

✓ is kept, – does not apply for the reason given below, and an empty cell is a promise of the other kind of plugin. A check
that fails, or is skipped without a reason, fails the tests of this repository.

This page is written by \`npm run conformance\`; the tests compare it with what they find.
`;

/** Why checks do not apply: a line a reason, with the numbers of its checks. Markdown. */
export function skipsOf({ results }: Report): string[] {
  const numbers = new Map<string, number[]>();
  for (const { status, check, reason = 'no reason given' } of results) {
    if (status === 'passed') continue;
    numbers.set(reason, [...(numbers.get(reason) ?? []), check.id]);
  }
  return [...numbers].map(([reason, ids]) => `- ${ids.join(', ')}: ${reason}`);
}

/** The plugin's cell in each row of the table, by number of the check. */
export function cellsOf(report: Report): Map<string, string> {
  const rows = formatMatrix([report]).split('\n').slice(2);
  return new Map(
    rows.map((row) => {
      const [, id = '', , cell = ''] = row.split('|').map((part) => part.trim());
      return [id, cell] as const;
    }),
  );
}

/** The page, not yet laid out. Markdown. */
export function conformancePage(reports: readonly Report[]): string {
  const skips = reports.map((report) => `### ${report.plugin}\n\n${skipsOf(report).join('\n')}\n`);
  return [introduction, formatMatrix(reports), '\n## What does not apply, and why\n', ...skips].join('\n');
}
