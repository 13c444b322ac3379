import { existsSync, readFileSync } from 'node:fs';
import { addDays } from '@on-the-way/sdk';
import { defineSubject, type Surface } from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';
import { answer, keys } from './source.ts';

// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);

/** What the conformance suite is told of this connector; also read by `otw plugin test`. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  window: { from: '2025-03-01', to: '2025-03-04' },
  outOfRange: { from: '2019-12-30', to: '2020-01-01' },
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  open(server, account) {
    server.answer = answer;
    const config = { origin: server.origin, apiKey: keys[account], timeoutMs: 2_000 };
    return {
      config,
      refused: { config: { ...config, apiKey: 'unknown' } },
      isSignIn: ({ path }) => path === '/me',
    };
  },
  openLarge(server, megabytes) {
    const text = JSON.stringify({ steps: 1, note: 'x'.repeat(8 * 1024 * 1024) });
    server.answer = ({ path }) => (path === '/me' ? { json: { id: 'ann' } } : { text });
    const window = { from: '2020-01-01', to: addDays('2020-01-01', Math.ceil(megabytes / 8)) };
    return { config: { origin: server.origin, apiKey: keys[1] }, dataset: 'steps', window };
  },
  // A promise that says nothing of this connector, by its number, and why.
  skips: {
    31: 'an API key does not expire',
    32: 'an API key is not rotated',
    33: 'an API key needs no person',
  },
});
