import { checks, runCheck, type CheckResult, type Report, type Subject } from '@on-the-way/sdk/testing';
import { afterAll, expect, test, vi } from 'vitest';
import { readPage, section, tableRows } from '../docs/markdown.ts';
import { cellsOf, conformancePath, skipsOf } from './conformance-page.ts';
import { startSuiteHost } from '@on-the-way/host/testing';
import { createMigratedDatabase } from '../host/test/postgres.ts';

/** The check against what was published last, which a release changes, not the plugin. */
const changing = '5';

/** The plugin's column of the page, by number of the check, and what is said there of its skips. */
function pageOf(plugin: string): { readonly cells: Map<string, string>; readonly skips: string[] } {
  const page = readPage(conformancePath);
  const names = page.text.split('\n').find((line) => line.startsWith('|')) ?? '';
  const column = names
    .split('|')
    .slice(1)
    .findIndex((name) => name.trim() === plugin);
  const cells = tableRows(page.text).map((row) => [row[0] ?? '', row[column] ?? ''] as const);
  return {
    cells: new Map(cells.filter(([id, cell]) => cell !== '' && id !== changing)),
    skips: section(page, plugin)
      .split('\n')
      .filter((line) => line.startsWith('- ') && !line.startsWith(`- ${changing}:`)),
  };
}

/**
 * Registers a test for each check that is about the subject's plugin, with a host on a database of its own, and one
 * that compares what was found with docs/conformance.md.
 */
export async function testConformance(given: Subject): Promise<void> {
  // A gigabyte takes its time on a busy machine.
  vi.setConfig({ testTimeout: 180_000 });
  const database = await createMigratedDatabase();
  const host = await startSuiteHost({ databaseUrl: database.url });
  afterAll(async () => {
    await host.close();
    await database.drop();
  });
  const subject: Subject = { ...given, host };
  const { name: plugin, version, kind } = subject.plugin;
  const results: CheckResult[] = [];
  const wanted = checks.filter((check) => check.of === 'plugin' || check.of === kind);
  for (const check of wanted) {
    test(`${plugin} keeps promise ${check.id}: ${check.title}`, async () => {
      const result = await runCheck(check, subject);
      results.push(result);
      // Of one that passed or is skipped with a reason there is nothing to say.
      const said = ['failed', 'undeclared'].includes(result.status) ? result.reason : undefined;
      expect(said).toBeUndefined();
    });
  }
  test(`${plugin} is in ${conformancePath} as it was found`, ({ skip }) => {
    skip(results.length < wanted.length, 'only a part of the checks was run');
    const report: Report = { plugin, version, kind, results };
    const found = { cells: cellsOf(report), skips: skipsOf(report) };
    found.cells.delete(changing);
    found.skips = found.skips.filter((line) => !line.startsWith(`- ${changing}:`));
    expect(pageOf(plugin), 'npm run conformance writes the page').toEqual(found);
  });
}
