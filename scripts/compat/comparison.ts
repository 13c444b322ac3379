import type { Declaration, Declarations } from './declarations.ts';
import { roles } from './roles.ts';

/** One line of the generated module, and what it means when it does not compile. */
export interface Line {
  readonly code: string;
  readonly name: string;
  /**
   * `kept` where members are gone; `used` where a value no longer does what it did; else what happened to the type, and for
   * whom.
   */
  readonly meaning: 'kept' | 'used' | 'taken' | 'given';
}

// A type fits without the members that may be left out, and what is taken fits whatever it has besides. So the paths of all
// members are looked up as well: of what is in both alike nothing is lost, of a union each part is held against those parts of
// the other that it could be, and what calls, awaits or goes through a value sees what that hands on. Eight names deep, since a
// type may hold itself.
const lost = `type Kept<Paths extends never> = Paths;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Element<T> = T extends Iterable<infer Of> | AsyncIterable<infer Of> | PromiseLike<infer Of> ? Of : never;
type Counterpart<Was, Is> = Is extends unknown ? (Is extends Was ? Is : Was extends Is ? Is : never) : never;
type Lost<Was, Is, Deep extends 0[] = []> =
  Same<Was, Is> extends true ? never : Deep['length'] extends 8 ? never :
  Was extends object ? LostOf<Was, Counterpart<Was, Is>, Deep> : never;
type LostOf<Was, Is, Deep extends 0[]> = true extends Tried<Was, Is, Deep> ? never : Exclude<Tried<Was, Is, Deep>, true>;
type Tried<Was, Is, Deep extends 0[]> =
  Is extends unknown ? ([LostIn<Was, Is, Deep>] extends [never] ? true : LostIn<Was, Is, Deep>) : never;
type LostIn<Was, Is, Deep extends 0[]> =
  Was extends (...given: infer Takes) => infer Gives
    ? Is extends (...given: infer Takes2) => infer Gives2
      ? Lost<Element<Takes>, Element<Takes2>, [...Deep, 0]> | Lost<Gives, Gives2, [...Deep, 0]>
      : never
    : [Element<Was>] extends [never] ? LostMembers<Was, Is, Deep> : Lost<Element<Was>, Element<Is>, [...Deep, 0]>;
type Path<Key extends string, Rest> = Rest extends string ? \`\${Key}.\${Rest}\` : never;
type LostMembers<Was, Is, Deep extends 0[]> = {
  [Key in keyof Was & string]-?: Key extends keyof Is ? Path<Key, Lost<Was[Key], Is[Key], [...Deep, 0]>> : Key;
}[keyof Was & string];
`;

// A method takes other parameters without complaint, a property that is a function does not.
const head = `type Plain<T> = T extends (...given: infer Given) => infer Result ? (...given: Given) => Result : T;
type Strict<T> = T extends (...given: never) => unknown ? T : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;
type Fits<From extends To, To> = From;
type Some = { readonly some: 'thing' };
export type Used = [Fits<Some, Some>, Strict<Some>, Kept<never>, Lost<Some, Some>];
${lost}`;

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
  const type = kind === 'value' ? 'typeof ' : '';
  const lines: Line[] = [
    {
      name,
      meaning: 'kept',
      code: `Kept<\`${name}.\${Lost<${type}${before}${own}, ${type}${now}${own}>}\`>`,
    },
  ];
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
