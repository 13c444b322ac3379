import { existsSync, readFileSync } from 'node:fs';
import { defineSubject, type Surface } from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';

const nobodySignsIn = 'it asks nothing of a network, and nobody signs in';

// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);

/** The numbers are made here and not asked of a network, so there is nothing to stand in for. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  config: { seed: 'suite', perDay: 24 },
  skips: {
    21: 'numbers are made up for any day, however long ago',
    31: nobodySignsIn,
    32: nobodySignsIn,
    33: nobodySignsIn,
    37: 'a day is 1,440 numbers at most',
    38: 'a day is 1,440 numbers at most',
  },
  window: { from: '2026-02-24', to: '2026-02-27' },
});
