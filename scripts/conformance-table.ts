// npm run conformance: runs the suite on every plugin of this repository and writes docs/conformance.md.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startSuiteHost } from '@on-the-way/host/testing';
import { formatResult, runChecks, type Report, type Subject } from '@on-the-way/sdk/testing';
import { format, resolveConfig } from 'prettier';
import { conformancePage, conformancePath } from './conformance-page.ts';

const root = join(import.meta.dirname, '..');
const page = join(root, conformancePath);

async function reportOf(path: string): Promise<Report> {
  const { default: subject } = (await import(pathToFileURL(join(root, path)).href)) as { default: Subject };
  process.stderr.write(`${subject.plugin.name}\n`);
  const host = await startSuiteHost();
  const onResult = (result: Report['results'][number]): void => {
    if (result.status === 'failed' || result.status === 'undeclared')
      process.stderr.write(`${formatResult(result)}\n`);
  };
  try {
    return await runChecks({ host, ...subject }, { onResult });
  } finally {
    await host.close();
  }
}

const reports: Report[] = [];
for (const path of globSync('{plugins,examples}/*/test/subject.ts', { cwd: root }).toSorted())
  reports.push(await reportOf(path));

const byName = reports.toSorted((a, b) => `${a.kind} ${a.plugin}`.localeCompare(`${b.kind} ${b.plugin}`));
const options = { ...(await resolveConfig(page)), filepath: page };
writeFileSync(page, await format(conformancePage(byName), options));
process.stderr.write(`${readFileSync(page, 'utf8').split('\n').length} lines in ${conformancePath}\n`);
// What a plugin left open ends with us.
process.exit(0);
