import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPage } from '../docs/markdown.ts';
import { readEntryPoints, type EntryPoint } from './reference-model.ts';
import { proseOf, referencePage } from './reference-page.ts';
import { referencePages } from './reference.ts';
import { undocumentedMembers } from './undocumented.ts';

const root = join(import.meta.dirname, '..');

test('the reference says what the doc comments say; npm run reference writes it anew', async () => {
  for (const [path, text] of await referencePages())
    expect(readFileSync(join(root, path), 'utf8'), path).toBe(text);
});

test.each(['docs/reference/sdk.md', 'docs/reference/sdk-testing.md'])(
  '%s has a heading for each export of its index and no other',
  (path) => {
    const index = path.endsWith('sdk.md') ? 'sdk/src/index.ts' : 'sdk/src/testing/index.ts';
    const lists = readFileSync(join(root, index), 'utf8').matchAll(/^export (?:type )?\{([^}]+)\}/gm);
    const names = [...lists].flatMap(([, list = '']) => list.split(',').map((name) => name.trim()));
    const headings = readPage(path)
      .headings.slice(1)
      .map(({ text }) => text);
    expect(headings.toSorted()).toEqual(names.filter((name) => name !== '').toSorted());
  },
);

test('every member has a doc comment, in type literals and in what is not exported too', () => {
  const { index, 'testing/index': testing } = readEntryPoints(['index', 'testing/index']);
  expect([...index.undocumented, ...testing.undocumented]).toEqual([]);
});

test('members without a doc comment are named with where they stand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'otw-undocumented-'));
  try {
    writeFileSync(
      join(folder, 'nest.d.ts'),
      `/** A type. */
export type Nest = {
    readonly bare: string;
    /** Said. */
    readonly said: {
        deep?(given: string): void;
        readonly [key: string]: unknown;
    };
} | {
    other: string;
};
interface Base {
    get 'quoted-name'(): string;
}
export interface Unseen {
    readonly own: string;
}
`,
    );
    expect(undocumentedMembers(folder, new Set(['Nest', 'Base']))).toEqual([
      'Nest.bare',
      'Nest.said.deep',
      'Nest.other',
      "Base.'quoted-name'",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const pair: EntryPoint = {
  undocumented: [],
  docComment: '/**\n * Two things.\n *\n * @packageDocumentation\n */\n',
  items: [
    {
      kind: 'Function',
      name: 'pair',
      canonicalReference: 'p!pair:function',
      docComment: '/**\n * Makes a {@link Pair}.\n */\n',
      excerptTokens: [
        { kind: 'Content', text: 'export declare function pair(): ' },
        { kind: 'Reference', text: 'Pair' },
        { kind: 'Content', text: ';' },
      ],
      members: [],
    },
    {
      kind: 'Interface',
      name: 'Pair',
      canonicalReference: 'p!Pair:interface',
      docComment: '/**\n * Two of them.\n */\n',
      excerptTokens: [{ kind: 'Content', text: 'export interface Pair ' }],
      members: [
        {
          kind: 'PropertySignature',
          docComment: '/** The first. */',
          excerptTokens: [{ kind: 'Content', text: 'readonly first?:\n string;' }],
        },
      ],
    },
  ],
};

test('an export has its signature, its prose, its members and links to what it uses', () => {
  expect(referencePage({ title: 'Pairs', module: 'pairs', entry: pair })).toBe(`# Pairs

<!-- Made from the doc comments by \`npm run reference\`. Change those, not this page. -->

What \`pairs\` exports. Two things.

- Functions: [\`pair\`](#pair)
- Types: [\`Pair\`](#pair-1)

## pair

Makes a [\`Pair\`](#pair-1).

\`\`\`typescript
function pair(): Pair;
\`\`\`

See [\`Pair\`](#pair-1).

## Pair

Two of them.

- \`first?: string\`\\
  The first.

`);
});

test('a link to what is not exported is refused by name', () => {
  expect(() => proseOf('/** See {@link Gone}. */', new Map())).toThrow('{@link Gone}');
});
