import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataDir, readDataDirLock, updateDataDirLock } from './data-dir-lock.ts';
import { ownIdentity } from './process-identity.ts';

let base: string;
let directory: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'otw-lock-'));
  directory = join(base, 'deep', '.otw');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function writeLock(changes: object): void {
  lockDataDir(directory, { role: 'all' }).release();
  const lock = {
    ...ownIdentity(),
    host: hostname(),
    role: 'all',
    since: '2026-01-01T00:00:00.000Z',
    ...changes,
  };
  writeFileSync(join(directory, 'otw.lock'), JSON.stringify(lock));
}

async function pidOfTheDead(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? 0;
}

test('a directory is made for its owner alone, and locked by one', () => {
  const lock = lockDataDir(directory, { role: 'all' });
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(join(base, 'deep')).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, 'otw.lock')).mode & 0o777).toBe(0o600);
  expect(() => lockDataDir(directory, { role: 'worker' })).toThrow(
    expect.objectContaining({
      code: 'data_dir_in_use',
      message: expect.stringMatching(new RegExp(`pid ${process.pid} \\(role all, since 20`)),
    }),
  );
  lock.release();
  expect(readDataDirLock(directory)).toBeUndefined();
  lockDataDir(directory, { role: 'worker' }).release();
  expect(readdirSync(directory)).toEqual([]);
});

test('an old release does not take the lock from a new holder', () => {
  const first = lockDataDir(directory, { role: 'all' });
  first.release();
  const second = lockDataDir(directory, { role: 'all' });
  first.release();
  expect(readDataDirLock(directory)).toMatchObject({ pid: process.pid });
  second.release();
});

test('the holder can tell where it is to be found', () => {
  const lock = lockDataDir(directory, { role: 'all' });
  updateDataDirLock(directory, { databasePort: 5555 });
  updateDataDirLock(directory, { url: 'http://127.0.0.1:8000' });
  expect(readDataDirLock(directory)).toMatchObject({
    role: 'all',
    databasePort: 5555,
    url: 'http://127.0.0.1:8000',
  });
  lock.release();
  expect(() => updateDataDirLock(directory, { databasePort: 1 })).toThrow('call lockDataDir first');
});

test.each([
  ['whose process is gone', async () => ({ pid: await pidOfTheDead() })],
  ['whose pid has another process now', async () => ({ processStart: '1' })],
  ['from before the machine was started', async () => ({ boot: 'another' })],
])('a lock %s is taken over', async (_, changes) => {
  writeLock(await changes());
  expect(readDataDirLock(directory)).toBeUndefined();
  const lock = lockDataDir(directory, { role: 'api' });
  expect(readDataDirLock(directory)).toMatchObject({ pid: process.pid, role: 'api' });
  lock.release();
  expect(readdirSync(directory)).toEqual([]);
});

test('a lock emptied by a power cut, and a take-over that was killed, are taken over too', async () => {
  writeLock({ pid: await pidOfTheDead() });
  writeFileSync(join(directory, 'otw.lock.takeover'), readFileSync(join(directory, 'otw.lock')));
  writeFileSync(join(directory, 'otw.lock'), '');
  lockDataDir(directory, { role: 'all' }).release();
  expect(readdirSync(directory)).toEqual([]);
});

test('a lock of another host is never judged stale', async () => {
  writeLock({ pid: await pidOfTheDead(), host: 'elsewhere' });
  expect(() => lockDataDir(directory, { role: 'all' })).toThrow(/on host elsewhere .*remove .*otw\.lock/);
});

test.each([
  ['that is a file', () => writeFileSync(join(base, 'deep'), ''), () => join(base, 'deep'), /a file where/],
  ['below a file', () => writeFileSync(join(base, 'deep'), ''), () => directory, /a file where/],
  [
    'whose otw.lock is a directory',
    () => mkdirSync(join(directory, 'otw.lock'), { recursive: true }),
    () => directory,
    /otw\.lock in it to be a directory \(EISDIR\): remove otw\.lock/,
  ],
])('of a data directory %s it is said what stands in the way', (_, make, at, found) => {
  make();
  const refusal = expect.objectContaining({
    name: 'StorageError',
    code: 'permission',
    message: expect.stringMatching(found),
  });
  expect(() => lockDataDir(at(), { role: 'all' })).toThrow(refusal);
  expect(() => lockDataDir(at(), { role: 'all' })).toThrow(`Expected ${at()} to be a directory to write in`);
  expect(() => readDataDirLock(at())).toThrow(refusal);
});

// Nothing can be made below /proc, whoever asks.
test.skipIf(!existsSync('/proc/self'))('of a directory that cannot be made it is said too', () => {
  expect(() => lockDataDir('/proc/otw', { role: 'all' })).toThrow(
    expect.objectContaining({
      name: 'StorageError',
      message: expect.stringMatching(/^Expected \/proc\/otw .*set another OTW_DATA_DIR$/),
    }),
  );
});

test.each([
  ['ENOSPC', /found no space left there \(ENOSPC\): make room or set another OTW_DATA_DIR$/],
  ['EROFS', /found a file system that is read-only \(EROFS\): mount it writable or/],
  ['EACCES', /found that this user may not write there \(EACCES\): make it writable or/],
])('when the system answers %s to a write, the remedy is said', (code, message) => {
  const { writeFileSync: real } = fs;
  fs.writeFileSync = () => {
    throw Object.assign(new Error(`${code}: write`), { code });
  };
  syncBuiltinESMExports();
  try {
    expect(() => lockDataDir(directory, { role: 'all' })).toThrow(
      expect.objectContaining({ name: 'StorageError', message: expect.stringMatching(message) }),
    );
  } finally {
    fs.writeFileSync = real;
    syncBuiltinESMExports();
  }
});

test('of many that find a stale lock at once, one gets it', async () => {
  writeLock({ pid: await pidOfTheDead() });
  const module = fileURLToPath(new URL('./data-dir-lock.ts', import.meta.url));
  const code = `import { lockDataDir } from ${JSON.stringify(module)};
    const at = Number(process.argv[1]);
    while (Date.now() < at);
    try { lockDataDir(${JSON.stringify(directory)}, { role: 'all' }); console.log('got'); }
    catch (error) { console.log(error.code); }
    process.stdin.resume();`;
  const at = String(Date.now() + 1_500);
  const children = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', code, at], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const said = await Promise.all(
    children.map(async ({ stdout }) => String((await once(stdout, 'data'))[0]).trim()),
  );
  for (const child of children) child.stdin.end();
  expect(said.toSorted()).toEqual([...Array<string>(5).fill('data_dir_in_use'), 'got']);
});
