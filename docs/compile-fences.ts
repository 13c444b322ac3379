import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, titleOf, type Fence, type Page } from './markdown.ts';

// Inside the repository, so that packages are found; in a folder that nothing else looks into.
const folder = join(root, 'node_modules', '.docs-fences');

const config = {
  extends: '../../tsconfig.check.json',
  compilerOptions: { rootDir: '../..', noUnusedLocals: false },
  include: ['**/*.ts'],
  exclude: [],
};

function write(path: string, { line, text }: Fence): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${'\n'.repeat(line - 1)}${text}export {};\n`);
}

/** A fence with a title may import those before it; each is compiled beside what the others were by then. */
function writeFences({ path, fences }: Page): void {
  const name = path.replaceAll('/', '-');
  const files = new Map<string, Fence>();
  for (const fence of fences.filter(({ language }) => language === 'ts')) {
    const title = titleOf(fence);
    if (title === undefined) {
      write(join(folder, `${name}-${fence.line}.ts`), fence);
      continue;
    }
    files.set(title, fence);
    for (const [file, text] of files) write(join(folder, `${name}-${fence.line}`, file), text);
  }
}

/**
 * Type-checks every ts fence of the pages as a module of its own, and answers with what the compiler says:
 * nothing when all is well. Line numbers are those of the page.
 */
export function compileFences(pages: readonly Page[]): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  pages.forEach(writeFences);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', folder], {
    cwd: root,
    encoding: 'utf8',
  });
  rmSync(folder, { recursive: true, force: true });
  return `${stdout}${stderr}`;
}
