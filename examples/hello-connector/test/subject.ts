import { defineSubject } from '@on-the-way/sdk/testing';
import plugin from '../index.ts';

const nobodySignsIn = 'it asks nothing of a network, and nobody signs in';

/** It asks nothing of a network, so there is nothing to stand in for. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../index.ts'),
  skips: {
    21: 'a greeting is made up for any day',
    31: nobodySignsIn,
    32: nobodySignsIn,
    33: nobodySignsIn,
    37: 'a day is one greeting of a few words',
    38: 'a day is one greeting of a few words',
  },
  window: { from: '2026-02-24', to: '2026-02-27' },
});
