import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const bin = join(import.meta.dirname, '..', 'bin', 'create-plugin.js');

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'otw-create-'));
});

afterEach(() => rmSync(cwd, { recursive: true }));

/** The command as npm starts it. */
function run(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [bin, ...args], { cwd }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test('makes what it is told to, and says what to type next', async () => {
  const { code, stdout } = await run('archive', '--kind', 'sink', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ name: 'archive', kind: 'sink', package: 'otw-sink-archive' });
  expect(readdirSync(join(cwd, 'archive'))).toContain('package.json');
});

test.each([
  [[], 'Expected one name, found none; for example npm create @on-the-way/plugin@latest steps'],
  [['a', 'b'], 'Expected one name, found a b'],
  [['a', '--kin', 'sink'], "Unknown option '--kin'"],
  [['A'], 'name: expected'],
])('%j ends with 2, one line and no folder', async (args, message) => {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(readdirSync(cwd)).toEqual([]);
});

test('has a help with examples', async () => {
  const { code, stdout } = await run('--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(/Examples:\n {2}\$ npm create @on-the-way\/plugin@latest steps\n/);
});
