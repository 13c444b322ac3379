import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The root of the repository. */
export const root = join(import.meta.dirname, '..');

/** A code fence of a page. */
export interface Fence {
  readonly language: string;
  /** What stands behind the language, e.g. `title="src/index.ts"`. */
  readonly info: string;
  readonly text: string;
  /** Line of the page on which the text begins, counted from 1. */
  readonly line: number;
}

/** A heading of a page. */
interface Heading {
  readonly level: number;
  readonly text: string;
  /** The part of a link behind `#` that leads to it. */
  readonly anchor: string;
}

/** A page of the repository. */
export interface Page {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
  readonly fences: readonly Fence[];
  readonly headings: readonly Heading[];
  /** Targets of links, outside of fences and inline code. */
  readonly links: readonly string[];
}

const fencePattern = /^```(\w*)([^\r\n]*)\n(.*?)^```$/gms;

function fencesOf(text: string): Fence[] {
  return [...text.matchAll(fencePattern)].map(
    ({ 1: language = '', 2: info = '', 3: content = '', index }) => ({
      language,
      info: info.trim(),
      text: content,
      line: text.slice(0, index).split('\n').length + 1,
    }),
  );
}

/** As GitHub makes it: lower case, no punctuation, spaces as hyphens, a number behind the second of a name. */
function headingsOf(prose: string): Heading[] {
  const seen = new Map<string, number>();
  return [...prose.matchAll(/^(#{1,6}) (.+)$/gm)].map(({ 1: marks = '', 2: text = '' }) => {
    const name = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return { level: marks.length, text, anchor: count === 0 ? name : `${name}-${count}` };
  });
}

/** The file that a fence says it is; undefined for a fence that is shown alone. */
export function titleOf({ info }: Pick<Fence, 'info'>): string | undefined {
  return /(?:^| )title="([^"]+)"/.exec(info)?.[1];
}

/** A page with this text. */
export function pageOf(path: string, text: string): Page {
  const prose = text.replace(fencePattern, '');
  const links = [...prose.replace(/`[^`\n]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to);
  return { path, text, fences: fencesOf(text), headings: headingsOf(prose), links };
}

/** Reads a page. */
export function readPage(path: string): Page {
  return pageOf(path, readFileSync(join(root, path), 'utf8'));
}

/** Every page of the repository, apart from API Extractor's reports: their TypeScript is none that compiles. */
export function allPages(): Page[] {
  const skipped = new Set(['node_modules', 'dist', '.otw', '.git', 'coverage']);
  const paths = globSync('**/*.md', {
    cwd: root,
    exclude: (name) => skipped.has(name.split('/').at(-1) ?? ''),
  });
  return paths
    .filter((path) => !path.endsWith('.api.md'))
    .toSorted()
    .map(readPage);
}

/** The text below a heading, up to the next one of its level or above; empty when there is none. */
export function section(page: Page, heading: string): string {
  const lines = page.text.split('\n');
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  if (start === -1) return '';
  const level = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 1;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => (/^(#+) /.exec(line)?.[1]?.length ?? 7) <= level);
  return rest.slice(0, end === -1 ? rest.length : end).join('\n');
}

/** The cells of every table row, without headings and rules. */
export function tableRows(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const rows = lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
  return rows.filter((cells, index) => {
    const isRule = (row: readonly string[] | undefined) =>
      row?.every((cell) => /^:?-+:?$/.test(cell)) === true;
    return !isRule(cells) && !isRule(rows[index + 1]);
  });
}
