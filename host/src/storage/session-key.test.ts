import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/otw.ts';
import { createSessionKey, givenSessionKey, parseSessionKey, readSessionKey } from './session-key.ts';

let folder: ReturnType<typeof temporaryFolder>;
let path: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, 'session.key');
});
afterEach(() => folder.remove());

const bytes = Buffer.from('0123456789abcdef0123456789abcdef');

test('a key file is made once, for its owner alone, and read again', () => {
  path = join(folder.path, 'below', 'session.key');
  const made = createSessionKey(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder.path, 'below'))).toEqual(['session.key']);
  expect(readSessionKey(path)).toEqual(made);
  expect(made.bytes).toHaveLength(32);
});

test('a key file that is there already wins over a new one', () => {
  const first = createSessionKey(path);
  expect(createSessionKey(path)).toEqual(first);
});

test('no file is no key', () => {
  expect(readSessionKey(path)).toBeUndefined();
});

test.each(['base64', 'base64url', 'hex'] as const)('32 bytes in %s are a key', (encoding) => {
  expect(parseSessionKey(bytes.toString(encoding))).toEqual(bytes);
  expect(givenSessionKey(bytes.toString(encoding)).id).toBe(givenSessionKey(bytes.toString('hex')).id);
});

test.each([
  '',
  'short',
  bytes.subarray(1).toString('base64'),
  `${bytes.toString('base64')}AAAA`,
  'x'.repeat(64),
])('%j is no key', (text) => expect(parseSessionKey(text)).toBeUndefined());

test('the key of the manual is refused', () => {
  expect(() => givenSessionKey(Buffer.alloc(32).toString('base64'))).toThrow(/openssl rand/);
});

test.each([0o640, 0o604, 0o666])('a key file of mode %o is refused with the remedy', (mode) => {
  createSessionKey(path);
  chmodSync(path, mode);
  expect(() => readSessionKey(path)).toThrow(
    expect.objectContaining({ exitCode: 78, message: expect.stringContaining(`chmod 600 ${path}`) }),
  );
});

test('a symbolic link to a good key is refused', () => {
  const real = join(folder.path, 'real.key');
  createSessionKey(real);
  symlinkSync(real, path);
  expect(() => readSessionKey(path)).toThrow(/found a symbolic link/);
});

test.each(['', 'canary-that-is-no-key', 'x'.repeat(5000)])(
  'a key file with wrong content is refused, and neither shown nor replaced',
  (content) => {
    writeFileSync(path, content, { mode: 0o600 });
    const refusal = expect.objectContaining({ exitCode: 78, message: expect.not.stringContaining('canary') });
    expect(() => readSessionKey(path)).toThrow(refusal);
    expect(() => createSessionKey(path)).toThrow(refusal);
    expect(readFileSync(path, 'utf8')).toBe(content);
  },
);

test('a folder in the place of the key is refused', () => {
  mkdirSync(path);
  expect(() => readSessionKey(path)).toThrow(expect.objectContaining({ exitCode: 78 }));
  expect(existsSync(path)).toBe(true);
});
