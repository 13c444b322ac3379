import { defineConnector } from '@on-the-way/sdk';
import { z } from 'zod';

/** A connector that invents one record a day, for `npm run demo`. */
export default defineConnector({
  name: 'invented',
  version: '0.1.0',
  description: 'Invented steps.',
  source: 'invented',
  config: z.strictObject({}),
  login: async () => undefined,
  account: () => 'nobody',
  datasets: {
    steps: {
      granularity: 'day',
      settleDays: 1,
      description: 'Steps of a day.',
      async *fetch({ window }) {
        yield { day: window.from, data: { steps: Number(window.from.replaceAll('-', '')) % 20_000 } };
      },
    },
  },
});
