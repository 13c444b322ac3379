import { defineConnector, type JsonValue } from '@on-the-way/sdk';
import { z } from 'zod';

const payload = z.unknown().refine((value) => value !== undefined, 'expected JSON') as z.ZodType<JsonValue>;

/** A contract that takes any JSON, and a connector whose events it takes. */
export default defineConnector({
  name: 'suite',
  version: '1.0.0',
  description: 'Five invented records a day.',
  source: 'suite',
  config: z.strictObject({}),
  ingest: {
    suite: {
      description: 'Any JSON.',
      source: 'suite',
      externalIdLength: 256,
      payload,
      // Another time of reading makes no other event.
      notCompared: ['fetched_at', 'api_method', 'connector_version'],
    },
  },
  login: async () => undefined,
  account: () => 'suite',
  datasets: {
    numbers: {
      granularity: 'day',
      settleDays: 1,
      description: 'Five numbers a day.',
      async *fetch({ window: { from: day } }) {
        for (let number = 0; number < 5; number += 1) yield { day, data: { number } };
      },
    },
  },
});
