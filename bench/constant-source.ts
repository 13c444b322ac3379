import { defineConnector } from '@on-the-way/sdk';
import { z } from 'zod';

/** A source that costs nothing to ask: as many records of about half a kilobyte as it is told to give. */
export default defineConnector({
  name: 'constant',
  version: '1.0.0',
  description: 'Gives records as fast as they are taken.',
  source: 'constant',
  config: z.object({ records: z.number().int() }),
  login: async ({ config }) => config,
  account: () => 'bench@example.com',
  datasets: {
    numbers: {
      granularity: 'day',
      settleDays: 1,
      description: 'Numbers.',
      async *fetch({ session, window }) {
        const note = 'x'.repeat(280);
        for (let index = 0; index < session.records; index += 1)
          yield { day: window.from, data: { index, note } };
      },
    },
  },
});
