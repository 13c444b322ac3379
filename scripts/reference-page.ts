import { isExported, type ApiItem, type ApiMember, type EntryPoint } from './reference-model.ts';

/** What a page of the reference is made of. */
export interface PageRequest {
  readonly title: string;
  /** How it is imported. */
  readonly module: string;
  readonly entry: EntryPoint;
  /** Names that another page explains, and the link to each. */
  readonly elsewhere?: ReadonlyMap<string, string>;
}

type Links = ReadonlyMap<string, string>;

function exported({ items }: EntryPoint): readonly ApiItem[] {
  return items.filter(isExported);
}

/**
 * Where each export of a page has its heading: `#name`, or `#name-1` for the second of two names that differ in case alone.
 */
export function anchorsOf(entry: EntryPoint): ReadonlyMap<string, string> {
  const seen = new Map<string, number>();
  return new Map(
    exported(entry).map(({ name }) => {
      const lower = name.toLowerCase();
      const count = seen.get(lower) ?? 0;
      seen.set(lower, count + 1);
      return [name, `#${lower}${count === 0 ? '' : `-${count}`}`];
    }),
  );
}

/** The text of a doc comment without its stars. */
function textOf(docComment: string): string {
  return docComment
    .replace(/^\/\*\*|\*\/\s*$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();
}

/**
 * A doc comment as Markdown. `{@link Name}` becomes a link.
 *
 * @throws Error where the name has no heading: exports it, or write it as code.
 */
export function proseOf(docComment: string, links: Links): string {
  return textOf(docComment)
    .replace(/^@packageDocumentation$/m, '')
    .replace(/^@example *$/gm, 'Example:\n')
    .replace(/^@throws /gm, 'Throws ')
    .replaceAll(/\{@link ([\w.]+)(?:\s*\|\s*([^}]+))?\}/g, (_, name: string, text = `\`${name}\``) => {
      const target = links.get(name) ?? links.get(name.split('.')[0] ?? '');
      if (target !== undefined) return `[${String(text)}](${target})`;
      throw new Error(`Expected an export for {@link ${name}}, found none: export it, or write \`${name}\``);
    })
    .trim();
}

function excerpt({ excerptTokens }: ApiMember): string {
  const text = excerptTokens.map((token) => token.text).join('');
  return text.replace(/^export (declare )?/, '').trim();
}

function fenceOf(item: ApiItem): string {
  const text = excerpt(item);
  // Its members follow.
  if (text === `interface ${item.name}`) return '';
  return `\`\`\`typescript\n${item.kind === 'Variable' ? 'const ' : ''}${text}\n\`\`\``;
}

function memberLine(member: ApiMember, links: Links): string {
  const code = excerpt(member)
    .replace(/^readonly /, '')
    .replace(/;$/, '')
    .replaceAll(/\s+/g, ' ');
  const prose = proseOf(member.docComment, links).replaceAll('\n', '\n  ');
  return `- \`${code}\`${prose === '' ? '' : `\\\n  ${prose}`}`;
}

function mentioned({
  excerptTokens,
  members,
}: Pick<ApiItem, 'excerptTokens' | 'members'>): ReadonlySet<string> {
  const tokens = [...excerptTokens, ...members.flatMap((one) => one.excerptTokens)];
  return new Set(tokens.filter(({ kind }) => kind === 'Reference').map(({ text }) => text));
}

/** What an export mentions that has no heading anywhere. */
function hidden(item: ApiItem, { items }: EntryPoint, links: Links): readonly ApiItem[] {
  const names = mentioned(item);
  return items.filter((other) => !isExported(other) && names.has(other.name) && !links.has(other.name));
}

/** Members of what an interface extends, where that has no heading of its own, and its own. */
function membersOf(item: ApiItem, entry: EntryPoint): readonly ApiMember[] {
  if (item.kind !== 'Interface') return item.members;
  const names = mentioned({ ...item, members: [] });
  const bases = entry.items.filter((other) => !isExported(other) && names.has(other.name));
  return [...bases.flatMap(({ members }) => members), ...item.members];
}

function uses(item: ApiItem, links: Links): string {
  const names = [...mentioned(item)].filter((name) => name !== item.name && links.has(name));
  return names
    .toSorted()
    .map((name) => `[\`${name}\`](${links.get(name) ?? ''})`)
    .join(', ');
}

function section(item: ApiItem, entry: EntryPoint, links: Links): string {
  const used = uses(item, links);
  const parts = [
    `## ${item.name}`,
    proseOf(item.docComment, links),
    fenceOf(item),
    membersOf(item, entry)
      .map((member) => memberLine(member, links))
      .join('\n'),
    ...hidden(item, entry, links).map(fenceOf),
    used === '' ? '' : `See ${used}.`,
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** What a kind of export is called in the contents. */
const kinds: Readonly<Record<string, string>> = {
  Function: 'Functions',
  Class: 'Classes',
  Variable: 'Constants',
  Interface: 'Types',
  TypeAlias: 'Types',
};

function contents(entry: EntryPoint, links: Links): string {
  const groups = Map.groupBy(exported(entry), ({ kind }) => kinds[kind] ?? kind);
  const lines = [...groups].toSorted(([a], [b]) => a.localeCompare(b, 'en'));
  return lines
    .map(([kind, items]) => {
      const names = items.map(({ name }) => `[\`${name}\`](${links.get(name) ?? ''})`);
      return `- ${kind}: ${names.join(', ')}`;
    })
    .join('\n');
}

/** The page of an entry point, as Markdown that is not yet formatted: a heading an export, by name. */
export function referencePage({ title, module, entry, elsewhere = new Map() }: PageRequest): string {
  const links = new Map([...elsewhere, ...anchorsOf(entry)]);
  return [
    `# ${title}`,
    `<!-- Made from the doc comments by \`npm run reference\`. Change those, not this page. -->`,
    `What \`${module}\` exports. ${proseOf(entry.docComment, links)}`,
    contents(entry, links),
    ...exported(entry).map((item) => section(item, entry, links)),
    '',
  ].join('\n\n');
}
