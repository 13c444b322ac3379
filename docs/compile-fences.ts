import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, type Page } from './markdown.ts';

// Inside the repository, so that packages are found; in a folder that nothing else looks into.
const folder = join(root, 'node_modules', '.docs-fences');

const config = {
  extends: '../../tsconfig.check.json',
  compilerOptions: { rootDir: '../..', noUnusedLocals: false },
  include: ['*.ts'],
  exclude: [],
};

/**
 * Type-checks every ts fence of the pages as a module of its own, and answers with what the compiler says:
 * nothing when all is well. Line numbers are those of the page.
 */
export function compileFences(pages: readonly Page[]): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { path, fences } of pages) {
    for (const { language, text, line } of fences) {
      if (language !== 'ts') continue;
      const name = `${path.replaceAll('/', '-')}-${line}.ts`;
      writeFileSync(join(folder, name), `${'\n'.repeat(line - 1)}${text}export {};\n`);
    }
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', folder], {
    cwd: root,
    encoding: 'utf8',
  });
  rmSync(folder, { recursive: true, force: true });
  return `${stdout}${stderr}`;
}
