import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hostVersion } from '../host-version.ts';

const bin = join(import.meta.dirname, '..', '..', 'bin', 'otw.js');

test.each(['--version', '-V'])('otw %s tells the version without starting another Node', (option) => {
  // It may read, and start nothing.
  const args = ['--permission', '--allow-fs-read=*', bin, option];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe(`${hostVersion()}\n`);
});
