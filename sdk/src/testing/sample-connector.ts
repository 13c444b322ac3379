import { z } from 'zod';
import { defineConnector } from '../connector.ts';
import { daysOf } from '../windows.ts';

/** A connector that asks nobody and has five records a day: for checks of a sink in a real host. */
export default defineConnector({
  name: 'sample',
  version: '1.0.0',
  description: 'Five invented records a day.',
  source: 'sample',
  config: z.strictObject({}),
  login: async () => undefined,
  account: () => 'suite',
  datasets: {
    numbers: {
      granularity: 'day',
      settleDays: 1,
      description: 'Five numbers a day.',
      async *fetch({ window }) {
        for (const day of daysOf(window))
          for (let number = 0; number < 5; number += 1) yield { day, data: { number } };
      },
    },
  },
});
