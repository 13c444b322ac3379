import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Something that a package declares, as its `.d.ts` files say it. */
export interface Declaration {
  readonly name: string;
  /** A class is a value and a type. */
  readonly kind: 'value' | 'type' | 'class';
  readonly text: string;
  /** What each type parameter must extend, as it is written; undefined where it may be anything. */
  readonly parameters: readonly (string | undefined)[];
}

/** What the `.d.ts` files of a package declare. */
export interface Declarations {
  readonly byName: ReadonlyMap<string, Declaration>;
  /** Imports from other packages, a statement each. */
  readonly imports: ReadonlySet<string>;
}

// What a comment says names nothing.
function withoutComments(file: string): string {
  return `${readFileSync(file, 'utf8').replaceAll(/\/\*[^]*?\*\/|^\/\/.*/gm, '')}\n`;
}

const namesPattern = /^export (?:type )?\{([^}]*)\} from '[^']+';/gm;

/**
 * The names an entry module exports, of sources or of declarations: `export { a, b } from './a.ts'`, one by one.
 *
 * @throws Error where it exports in another way.
 */
export function namesOf(entry: string): string[] {
  const text = withoutComments(entry);
  const other = /^export .*/m.exec(text.replaceAll(namesPattern, ''))?.[0] ?? /.* as .*/.exec(text)?.[0];
  if (other !== undefined)
    throw new Error(`Expected ${entry} to export the names of other modules one by one, got ${other}`);
  const lists = [...text.matchAll(namesPattern)].map(([, list = '']) => list.split(','));
  return lists.flat().flatMap((name) => name.trim() || []);
}

// In what the compiler writes, a statement begins at the start of a line, and no line within one begins so.
const beginning = /^(?=(?:export|declare|interface|type|import|class)\b)/m;
const declared =
  /^(export )?(?:declare )?(?:abstract )?(interface|type|class|function|const) ([\w$]+)(<[^]*)?/;

/** Reads what the `.d.ts` files of a folder declare. */
export function readDeclarations(folder: string): Declarations {
  const byName = new Map<string, Declaration>();
  const imports = new Set<string>();
  for (const file of globSync('**/*.d.ts', { cwd: folder })) {
    for (const text of withoutComments(join(folder, file)).split(beginning)) {
      for (const line of importsOf(text)) imports.add(line);
      const [, exported, keyword = '', name = '', behind = ''] = declared.exec(text) ?? [];
      if (name === '' || (byName.has(name) && exported === undefined)) continue;
      const kind = keyword === 'class' ? 'class' : /interface|type/.test(keyword) ? 'type' : 'value';
      byName.set(name, { name, kind, text, parameters: parametersOf(behind) });
    }
  }
  return { byName, imports };
}

/** Imports of names from another package, a statement for each name; none where the text imports from its own. */
function importsOf(text: string): string[] {
  const [, list = '', from = ''] = /^import (?:type )?\{([^}]*)\} from '([^.'][^']*)'/.exec(text) ?? [];
  const names = list.split(',').flatMap((name) => name.replace(/^\s*type /, '').trim() || []);
  return names.map((name) => `import type { ${name} } from '${from}';`);
}

/** What the type parameters at the start of the text must extend. */
function parametersOf(text: string): (string | undefined)[] {
  if (text === '') return [];
  const parts = [''];
  let depth = 0;
  for (const token of text.match(/=>|[^]/g) ?? []) {
    if ('<({['.includes(token)) depth += 1;
    if ('>)}]'.includes(token)) depth -= 1;
    if (depth === 0) break;
    if (token === ',' && depth === 1) parts.push('');
    else if (token !== '<' || depth > 1) parts[parts.length - 1] += token;
  }
  return parts.map((part) => / extends ([^]*?)(?: = |$)/.exec(part)?.[1]?.trim());
}
