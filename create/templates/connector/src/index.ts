import { daysOf, defineConnector, fetchJson, secret } from '@on-the-way/sdk';
import { z } from 'zod';

// Loose: what the schema does not name is kept as well.
const person = z.looseObject({ id: z.string().min(1) });
const steps = z.looseObject({ steps: z.int().nonnegative() });

export default defineConnector({
  // The first part of every key, and the source_id of every row: neither may change once something is stored.
  name: '__NAME__',
  source: '__SOURCE__',
  version: '0.1.0',
  description: '__DESCRIPTION__',
  config: z.strictObject({
    origin: z.url().default('https://api.example.com'),
    apiKey: secret(),
    timeoutMs: z.int().min(100).max(300_000).default(30_000),
  }),

  async login({ config: { origin, apiKey, timeoutMs }, countRequest, signal: whole }) {
    function get<Schema extends z.ZodType>(path: string, schema: Schema, signal: AbortSignal) {
      const headers = { authorization: `Bearer ${apiKey}` };
      countRequest();
      return fetchJson(`${origin}${path}`, { what: path, schema, headers, timeoutMs, signal });
    }
    return { get, account: await get('/me', person, whole) };
  },
  account: (session) => session.account.id,
  async check({ session, signal }) {
    await session.get('/me', person, signal);
  },

  datasets: {
    steps: {
      granularity: 'day',
      settleDays: 3,
      description: 'Steps of a day.',
      schema: steps,
      async *fetch({ session, window, signal }) {
        for (const day of daysOf(window)) {
          const data = await session.get(`/steps?day=${day}`, steps.nullable(), signal);
          if (data) yield { day, data };
        }
      },
    },
  },
});
