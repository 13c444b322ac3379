import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from '../host/test/otw.ts';
import { followTutorial } from './follow-tutorial.ts';
import { pageOf, type Page } from './markdown.ts';
import { applyEdit, missingLine } from './tutorial-steps.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeAll(() => (folder = temporaryFolder()));
afterAll(() => folder.remove());

const fence = (info: string, ...lines: readonly string[]): string =>
  `\`\`\`${info}\n${lines.join('\n')}\n\`\`\`\n`;

function page(...fences: readonly string[]): Page {
  return pageOf('docs/made.md', fences.join('\nAnd then:\n\n'));
}

const follow = (...fences: readonly string[]): Promise<void> =>
  followTutorial(page(...fences), { folder: folder.path, env: { PATH: process.env['PATH'] ?? '' } });

test('commands are run in order, in the folder the last one went to, and files are written there', async () => {
  await follow(
    fence('sh', 'mkdir -p garden', 'cd garden'),
    fence('ts title="src/tree.ts"', 'export const height = 3;'),
    fence('diff title="src/tree.ts"', '-export const height = 3;', '+export const height = 4;'),
    fence('sh', 'cat src/tree.ts', 'echo grown > grown.txt'),
    fence('text', '…', 'export const height = …;'),
    fence('json', '{ "shown": "alone" }'),
  );
  expect(readFileSync(join(folder.path, 'garden/src/tree.ts'), 'utf8')).toBe('export const height = 4;\n');
  expect(existsSync(join(folder.path, 'garden/grown.txt'))).toBe(true);
});

test('a command that ends otherwise than it should is told with its line, its code and what it printed', async () => {
  await expect(follow(fence('sh', 'echo first', 'echo no such bed; false'))).rejects.toThrow(
    /^docs\/made\.md:2: Expected exit 0, got 1:\nfirst\nno such bed/,
  );
  await expect(follow(fence('sh exit=1', 'true'))).rejects.toThrow('Expected exit 1, got 0');
  await follow(fence('sh exit=3', 'exit 3'));
});

test('what is printed must be what the page shows', async () => {
  await expect(follow(fence('sh', 'echo two; echo one'), fence('text', 'one', 'two'))).rejects.toThrow(
    'Expected the output to go on with\ntwo\ngot:\ntwo\none',
  );
});

test('what goes on in the background is awaited until it has printed what the page shows, and ended at last', async () => {
  await follow(
    fence('sh background', 'echo $$ > pid', 'echo ready', 'exec sleep 600'),
    fence('text', 'ready'),
    fence('sh', 'kill -0 $(cat pid)'),
  );
  const pid = Number(readFileSync(join(folder.path, 'pid'), 'utf8'));
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

test('a change whose lines are not there, or there twice, is refused', () => {
  expect(() => applyEdit('a\nb\n', '-c\n+d\n')).toThrow('Expected these lines once, found them 0 times:\nc');
  expect(() => applyEdit('a\na\n', '-a\n+d\n')).toThrow('found them 2 times');
  expect(applyEdit('a\nb\nc\n', ' a\n-b\n+d\n c\n')).toBe('a\nd\nc\n');
});

test('every text has its own lines in order, with anything in place of …', () => {
  const line = fc.string({ minLength: 1 }).filter((text) => text.trim() !== '' && !/[…\s]/.test(text));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      expect(missingLine(`before\n${lines.join('\n')}\nbehind`, lines)).toBeUndefined();
      expect(
        missingLine(
          lines.map((text) => `${text}17${text}`).join('\n'),
          lines.map((text) => `${text}…${text}`),
        ),
      ).toBeUndefined();
    }),
  );
  expect(missingLine('3 passed, 1 failed', ['3 passed, 0 failed'])).toBe('3 passed, 0 failed');
});
