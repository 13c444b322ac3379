import type { Declaration, Declarations } from './declarations.ts';
import { roles } from './roles.ts';

/** One line of the generated module, and what it means when it does not compile. */
export interface Line {
  readonly code: string;
  readonly name: string;
  /** `used` where a value no longer does what it did; else what happened to the type, and for whom. */
  readonly meaning: 'used' | 'taken' | 'given';
}

// A method takes other parameters without complaint, a property that is a function does not.
const head = `type Plain<T> = T extends (...given: infer Given) => infer Result ? (...given: Given) => Result : T;
type Strict<T> = T extends (...given: never) => unknown ? T : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;
type Fits<From extends To, To> = From;
type Some = { readonly some: 'thing' };
export type Used = [Fits<Some, Some>, Strict<Some>];
`;

/** The words of a declaration that name other declarations which nobody can import, and those that these need. */
function hiddenIn(
  text: string,
  { byName }: Declarations,
  known: ReadonlySet<string>,
  found = new Set<string>(),
): Set<string> {
  for (const [word] of text.matchAll(/[A-Za-z_$][\w$]*/g)) {
    const declaration = byName.get(word);
    if (!declaration || known.has(word) || found.has(word)) continue;
    found.add(word);
    hiddenIn(declaration.text, { byName, imports: new Set() }, known, found);
  }
  return found;
}

/** A declaration as it was before, where all other names that are exported mean what they mean now. */
function namespaceOf(own: Declaration, declarations: Declarations, known: ReadonlySet<string>): string {
  const others = hiddenIn(own.text, declarations, new Set([...known, own.name]));
  const texts = [own.name, ...others].map((name) => declarations.byName.get(name)?.text ?? '');
  const ambient = texts.map((text) => text.replace(/^(?:export )?(?:declare )?/, 'export '));
  return `declare namespace Before_${own.name} {\n${ambient.join('')}\n}\n`;
}

function linesOf({ name, kind, parameters }: Declaration): Line[] {
  const given = parameters.map((constraint) => constraint ?? 'Some').join(', ');
  const own = given && `<${given}>`;
  const [before, now] = [`Before_${name}.${name}`, `Now.${name}`];
  const fits = (from: string, to: string): string => `Fits<Strict<${from}>, Strict<${to}>>`;
  const lines: Line[] = [];
  if (kind === 'value')
    lines.push({ name, meaning: 'used', code: `Fits<typeof ${now}${own}, typeof ${before}${own}>` });
  if (kind === 'class') {
    const made = (side: string): string => `ConstructorParameters<typeof ${side}>`;
    lines.push({ name, meaning: 'used', code: `Fits<typeof ${now}, typeof ${before}>` });
    lines.push({ name, meaning: 'used', code: `Fits<${made(before)}, ${made(now)}>` });
  }
  if (kind === 'value') return lines;
  if (roles[name] !== 'given') lines.push({ name, meaning: 'taken', code: fits(before + own, now + own) });
  if (roles[name] !== 'taken') lines.push({ name, meaning: 'given', code: fits(now + own, before + own) });
  return lines;
}

/**
 * A module that compiles where an entry keeps what it promised. Each name is compared by itself, so that a break is found
 * where it is and not in everything that mentions it.
 *
 * @param names What the entry exported before and exports still.
 * @param modules What the other names are imported from: each name that is exported now, with its module.
 */
export function comparison(
  names: readonly string[],
  declarations: Declarations,
  { entry, modules }: { readonly entry: string; readonly modules: ReadonlyMap<string, string> },
): { readonly text: string; readonly lineAt: (number: number) => Line | undefined } {
  const known = new Set(modules.keys());
  const imports = [...modules].map(([name, module]) => `import type { ${name} } from '${module}';\n`);
  const compared = names.flatMap((name) => declarations.byName.get(name) ?? []);
  const namespaces = compared.map((declaration) => namespaceOf(declaration, declarations, known));
  const top = [
    ...declarations.imports,
    ...imports,
    `import type * as Now from '${entry}';`,
    head,
    ...namespaces,
  ];
  const lines = compared.flatMap(linesOf);
  const text = `${top.join('\n')}\n`;
  const first = text.split('\n').length;
  return {
    text: text + lines.map(({ code }, index) => `export type Line${index} = ${code};\n`).join(''),
    lineAt: (number) => lines[number - first],
  };
}
