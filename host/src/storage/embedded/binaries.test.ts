import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeLibrarySymlinks } from './library-symlinks.ts';
import { privateCopy } from './private-copy.ts';

let root: string;
const copies: string[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'otw-package-'));
  mkdirSync(join(root, 'native', 'bin'), { recursive: true, mode: 0o700 });
  mkdirSync(join(root, 'native', 'lib'), { mode: 0o700 });
  writeFileSync(join(root, 'native', 'bin', 'postgres'), 'a program', { mode: 0o700 });
  writeFileSync(join(root, 'native', 'lib', 'libpq.so.5.18'), 'a library', { mode: 0o600 });
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
  writeFileSync(join(root, 'native', 'pg-symlinks.json'), JSON.stringify(links));
});
afterEach(() => {
  for (const path of [root, ...copies.splice(0)]) rmSync(path, { recursive: true, force: true });
});

function copy(): string {
  const path = privateCopy(root, '0.0.0-test');
  copies.push(path);
  return path;
}

test('library links are relative, and making them twice does no harm', () => {
  expect(makeLibrarySymlinks(root)).toBe(true);
  expect(makeLibrarySymlinks(root)).toBe(true);
  expect(readlinkSync(join(root, 'native', 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18');
});

test('a private copy can be read and run by all, and changed by its owner alone', () => {
  const path = copy();
  expect(statSync(path).mode & 0o777).toBe(0o755);
  expect(statSync(join(path, 'native', 'bin', 'postgres')).mode & 0o777).toBe(0o755);
  expect(statSync(join(path, 'native', 'lib', 'libpq.so.5.18')).mode & 0o777).toBe(0o644);
  expect(readFileSync(join(path, 'native', 'lib', 'libpq.so.5'), 'utf8')).toBe('a library');
  expect(copy()).toBe(path);
});

test('a private copy that others can change is not trusted', () => {
  const path = copy();
  chmodSync(path, 0o777);
  expect(copy).toThrow('remove it');
});
