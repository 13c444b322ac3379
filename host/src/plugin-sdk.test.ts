import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../test/otw.ts';
import { checkSdk, hostSdkVersion, sdkFit, sdkOf } from './plugin-sdk.ts';

test.each([
  ['^0.1.0', '0.1.3', 'fits'],
  ['0.1.0', '0.1.3', 'other_release'],
  ['^0.1.5', '0.1.3', 'other_release'],
  ['^0.2.0', '0.1.3', 'wrong'],
  ['^1.0.0', '0.1.3', 'wrong'],
  ['>=0.1.0 <3', '1.4.0', 'fits'],
  ['^1.9.0', '1.4.0', 'other_release'],
  ['^0.1.0 || ^1.0.0', '1.4.0', 'fits'],
  ['^2.0.0', '1.4.0', 'wrong'],
  ['^0.2.0', '0.2.0-beta.1', 'fits'],
  ['workspace:^0.1.0', '0.1.3', 'fits'],
  ['*', '0.1.3', 'fits'],
  ['file:../sdk', '0.1.3', 'not_stated'],
  [undefined, '0.1.3', 'not_stated'],
])('written for %s, with %s at the host: %s', (range, version, fit) => {
  expect(sdkFit(range, version)).toBe(fit);
});

test('a caret range of the same line is never refused, and one of another line always is', () => {
  const number = fc.nat(30);
  fc.assert(
    fc.property(fc.tuple(number, number, number), fc.tuple(number, number, number), (host, written) => {
      const isLine = host[0] === 0 ? written[0] === 0 && written[1] === host[1] : written[0] === host[0];
      // ^0.0.3 is 0.0.3 alone, as every release below 0.1.0 may differ from the next.
      fc.pre(written[0] > 0 || written[1] > 0);
      expect(sdkFit(`^${written.join('.')}`, host.join('.')) === 'wrong').toBe(!isLine);
    }),
  );
});

test('peerDependencies come before dependencies, and what does not fit is refused with what to do', () => {
  const folder = temporaryFolder();
  const plugin = { folder: folder.path, path: join(folder.path, 'index.js') };
  const states = (manifest: unknown): void =>
    writeFileSync(join(folder.path, 'package.json'), JSON.stringify(manifest));
  try {
    expect(sdkOf(plugin)).toEqual({ range: null, fit: 'not_stated' });
    const own = { '@on-the-way/sdk': `^${hostSdkVersion()}` };
    states({ dependencies: { '@on-the-way/sdk': '^99.0.0' }, peerDependencies: own });
    expect(sdkOf(plugin)).toMatchObject({ fit: 'fits' });
    expect(() => checkSdk(plugin)).not.toThrow();
    states({ dependencies: { '@on-the-way/sdk': '^99.0.0' } });
    expect(() => checkSdk(plugin)).toThrow(
      expect.objectContaining({
        code: 'plugin_wrong_sdk',
        exitCode: 78,
        message: expect.stringMatching(
          /found \^99\.0\.0 in .*package\.json: install a version of the plugin/,
        ),
      }),
    );
    mkdirSync(join(folder.path, 'inner'));
    expect(sdkOf({ folder: join(folder.path, 'inner') })).toMatchObject({ range: null });
  } finally {
    folder.remove();
  }
});
