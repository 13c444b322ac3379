import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runCommand } from '../commands.ts';
import { readManifest } from '../packages.ts';
import { comparison, type Line } from './comparison.ts';
import { namesOf, readDeclarations } from './declarations.ts';
import { roles } from './roles.ts';

/** Two versions of a package whose types are compared, as folders. */
export interface Versions {
  /** Unpacked, as it was published. */
  readonly before: string;
  /** As it stands in the repository, with its sources. */
  readonly now: string;
  /** A folder of nothing else in the root's node_modules, where packages such as zod are found. Removed afterwards. */
  readonly scratch: string;
}

/**
 * Compares what a package's entries export with what they exported before: whatever authors wrote must still compile.
 *
 * @returns A sentence for each promise that is broken, naming the export.
 */
export async function brokenTypes({ before, now, scratch }: Versions): Promise<string[]> {
  const was = readManifest(before).exports ?? {};
  const is = sourcesOf(now);
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  try {
    const broken: string[] = [];
    for (const [entry, { types = '' }] of Object.entries(was)) {
      if (!is.has(entry)) broken.push(`the entry ${entry} is gone`);
      else broken.push(...(await brokenEntry({ entry, before, types: join(before, types), is, scratch })));
    }
    return broken;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The modules behind a package's entries in the repository. */
function sourcesOf(folder: string): Map<string, string> {
  const entries = Object.entries(readManifest(folder).exports ?? {});
  return new Map(
    entries.map(([entry, conditions]) => [entry, join(folder, conditions['@on-the-way/source'] ?? '')]),
  );
}

async function brokenEntry({
  entry,
  before,
  types,
  is,
  scratch,
}: Pick<Versions, 'before' | 'scratch'> & {
  readonly entry: string;
  readonly types: string;
  readonly is: ReadonlyMap<string, string>;
}): Promise<string[]> {
  const named = (path: string): string => `./${relative(scratch, path)}`;
  const own = is.get(entry) ?? '';
  const modules = new Map(
    [...is.values()].flatMap((path) => namesOf(path).map((name) => [name, named(path)])),
  );
  const still = new Set(namesOf(own));
  const was = namesOf(types);
  const { text, lineAt } = comparison(
    was.filter((name) => still.has(name)),
    readDeclarations(join(before, dirname(relative(before, types)).split('/')[0] ?? '')),
    { entry: named(own), modules },
  );
  writeFileSync(join(scratch, 'compare.ts'), text);
  const errors = await compile(scratch);
  const sentences = [...errors].flatMap(([number, message]) => {
    const line = lineAt(number);
    if (!line) throw new Error(`Expected the types before and now to be comparable, but: ${message}`);
    return sentencesOf(line, message);
  });
  // What is no longer given is also gone.
  return [...was.filter((name) => !still.has(name)).map((name) => `${name} is gone`), ...new Set(sentences)];
}

/** What the compiler says about the lines of compare.ts, by the number of the line. */
async function compile(scratch: string): Promise<Map<number, string>> {
  const root = join(scratch, '..', '..');
  const up = relative(scratch, root);
  const config = {
    extends: `${up}/tsconfig.check.json`,
    // A message has the names of all members that are gone.
    compilerOptions: { rootDir: up, noUnusedLocals: false, noErrorTruncation: true },
    include: ['compare.ts'],
    exclude: [],
  };
  writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, stderr } = await runCommand([process.execPath, tsc, '-p', scratch, '--pretty', 'false'], {
    cwd: root,
  });
  const errors = new Map<number, string>();
  // A message that goes on has its further lines indented.
  for (const [, line = '', text = ''] of stdout.matchAll(
    /compare\.ts\((\d+),\d+\): error TS\d+: (.*(?:\n .*)*)/g,
  ))
    errors.set(Number(line), text);
  // What is wrong within the sources is said by `npm run typecheck`.
  if (/error TS/.test(stdout) || stdout + stderr === '') return errors;
  throw new Error(`Expected the types to compile, so that they can be compared, but:\n${stdout}${stderr}`);
}

/** Broken promises, said from the author's side. */
function sentencesOf({ name, meaning }: Line, message: string): string[] {
  if (meaning !== 'kept') return [sentence({ name, meaning }, message)];
  const [first = ''] = message.split('\n');
  const paths = [...first.matchAll(/["`]([^"`]+)["`]/g)].map(([, path = '']) => path);
  if (paths.length === 0) return [`${name} cannot be compared with what it was: ${first}`];
  return paths.map((path) => `${path} is no longer there`);
}

/** The last line of a message says most exactly what is wrong. */
function sentence(
  { name, meaning }: { readonly name: string; readonly meaning: Exclude<Line['meaning'], 'kept'> },
  message: string,
): string {
  const missing = /^Property '(\w+)' is missing in type/.exec(message)?.[1];
  if (missing !== undefined && meaning === 'taken')
    return `${name}.${missing} is asked of authors, and was not`;
  if (missing !== undefined && meaning === 'given') return `${name}.${missing} is no longer there`;
  const member = /^ {2}Types of property '(\w+)'/m.exec(message)?.[1];
  const what = { used: 'cannot be used', taken: 'cannot be written', given: 'is not given' }[meaning];
  const exact = message.split('\n').at(-1)?.trim() ?? message;
  return `${name}${member === undefined ? '' : `.${member}`} ${what} as before: ${exact}`;
}

/** Names in the table of roles that the package does not export. */
export function unknownRoles(now: string): string[] {
  const names = new Set([...sourcesOf(now).values()].flatMap((path) => namesOf(path)));
  return Object.keys(roles).filter((name) => !names.has(name));
}
