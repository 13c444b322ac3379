import { defineConnector, type JsonValue } from '@on-the-way/sdk';
import { z } from 'zod';
import { sameData } from './workload.ts';

/** A source that costs nothing to ask: as many records of about half a kilobyte as it is told to give. */
export default defineConnector({
  name: 'constant',
  version: '1.0.0',
  description: 'Gives records as fast as they are taken.',
  source: 'constant',
  config: z.object({ records: z.number().int(), first: z.number().int().default(0) }),
  login: async ({ config }) => config,
  account: () => 'bench@example.com',
  datasets: {
    numbers: {
      granularity: 'day',
      settleDays: 1,
      description: 'Numbers.',
      async *fetch({ session: { first, records }, window }) {
        const data = sameData() as Readonly<Record<string, JsonValue>>;
        for (let index = first; index < first + records; index += 1)
          yield { day: window.from, data: { ...data, index } };
      },
    },
  },
});
