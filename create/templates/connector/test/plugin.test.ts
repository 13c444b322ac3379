import { startSuiteHost } from '@on-the-way/host/testing';
import { testPlugin } from '@on-the-way/sdk/testing';
import { afterAll, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import plugin from '../src/index.ts';
import subject from './subject.ts';

// Starts a Postgres of its own when the first check asks for a run.
const host = await startSuiteHost();
afterAll(() => host.close());

testPlugin({ ...subject, host }, test);

test('the plugin has the version of its package', () => {
  expect(plugin.version).toBe(manifest.version);
});
