import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fillTemplate, type MadeFile } from './fill-template.ts';
import { factsOf, PluginOptionError, type PluginFacts, type PluginOptions } from './options.ts';
import { checkFolder } from './target-folder.ts';

/** What was made. */
export interface MadePlugin extends PluginFacts {
  /** The whole path. */
  readonly directory: string;
  /** Within the folder, sorted. */
  readonly files: readonly string[];
  /** What to type next, in order. */
  readonly next: readonly string[];
}

/** Takes away what was written, and the folders that are empty then. */
function takeBack(folder: string, paths: readonly string[]): void {
  for (const path of paths) rmSync(join(folder, path), { force: true });
  const folders = new Set(paths.map((path) => dirname(join(folder, path))));
  for (const one of [...folders, join(folder, '.github'), folder].toSorted((a, b) => b.length - a.length)) {
    if (existsSync(one) && readdirSync(one).length === 0) rmdirSync(one);
  }
}

function writeFiles(folder: string, files: readonly MadeFile[]): void {
  const begun: string[] = [];
  try {
    for (const { path, text } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      // Never over what somebody else has put there in the meantime.
      writeFileSync(join(folder, path), text, { flag: 'wx' });
      begun.push(path);
    }
  } catch (cause) {
    takeBack(folder, begun);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PluginOptionError(
      `--directory: expected to write to ${folder}, but: ${reason}; what was written there was taken away again`,
      { cause },
    );
  }
}

/** As a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * Makes the package of a plugin: sources, tests that run the conformance suite, a demo, a workflow. It needs an
 * `npm install` and nothing else.
 *
 * @throws PluginOptionError for a name or a folder that cannot be used; nothing was written then.
 */
export function createPlugin(options: PluginOptions): MadePlugin {
  const facts = factsOf(options);
  const cwd = options.cwd ?? process.cwd();
  const directory = resolve(cwd, options.directory ?? facts.name);
  checkFolder(directory, options.inWorkspace ?? false);
  const files = fillTemplate(facts);
  writeFiles(directory, files);
  const steps = ['npm install', 'npm test', 'npm run demo'];
  const way = relative(cwd, directory);
  return {
    ...facts,
    directory,
    files: files.map(({ path }) => path),
    next: way === '' ? steps : [`cd ${quoted(way)}`, ...steps],
  };
}
