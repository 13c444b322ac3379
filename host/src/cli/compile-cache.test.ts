import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { otw, temporaryFolder } from '../../test/otw.ts';
import { cacheFolder } from './compile-cache.ts';

const uid = process.getuid?.();
let home: ReturnType<typeof temporaryFolder>;

beforeEach(() => {
  home = temporaryFolder();
});
afterEach(() => home.remove());

test('a command leaves what it compiled in a folder that is its user’s alone', async () => {
  const { stdout } = await otw(['--version'], { env: { HOME: home.path, NODE_COMPILE_CACHE: '' } });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const folder = join(home.path, '.cache', 'on-the-way');
  expect(readdirSync(folder)).not.toEqual([]);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('XDG_CACHE_HOME says where the folder lies', () => {
  const elsewhere = join(home.path, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o700 });
  const owner = { env: { XDG_CACHE_HOME: elsewhere }, home: home.path, uid };
  expect(cacheFolder(owner)).toBe(join(elsewhere, 'on-the-way'));
});

test('compiled code is not kept where others could put some, nor where there is no home', () => {
  const owner = { env: {}, home: home.path, uid };
  // As with sudo, which may leave HOME as it was.
  expect(cacheFolder({ ...owner, uid: 12_345 })).toBeUndefined();
  expect(readdirSync(home.path)).toEqual([]);
  expect(cacheFolder({ ...owner, home: join(home.path, 'missing') })).toBeUndefined();
  const folder = cacheFolder(owner) ?? '';
  chmodSync(folder, 0o770);
  expect(cacheFolder(owner)).toBeUndefined();
  chmodSync(folder, 0o700);
  expect(cacheFolder(owner)).toBe(folder);
  // Who may write above it could put another in its place.
  for (const above of [home.path, join(home.path, '.cache')]) {
    chmodSync(above, 0o770);
    expect(cacheFolder(owner)).toBeUndefined();
    chmodSync(above, 0o700);
    expect(cacheFolder(owner)).toBe(folder);
  }
});
