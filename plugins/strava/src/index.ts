import { ConnectorError, defineConnector, rawJson, type LoginContext } from '@on-the-way/sdk';
import { z } from 'zod';
import type { AccessParts } from './access.ts';
import { readActivities } from './activities.ts';
import { createClient, type Read, type StravaClient } from './client.ts';
import { configSchema, originOf, type StravaConfig } from './config.ts';
import { createRateLimits } from './rate-limits.ts';
import { signInAnew } from './sign-in.ts';
import { createTransport } from './transport.ts';

/** What the datasets read with. */
interface Session {
  readonly client: StravaClient;
  readonly config: StravaConfig;
  readonly athleteId: string;
}

const athleteSchema = z.object({ id: z.int().positive().transform(String) });

async function readAthlete(
  client: StravaClient,
  signal: AbortSignal,
): Promise<Read & { readonly id: string }> {
  const read = await client.get('/api/v3/athlete', {}, signal);
  const { data } = athleteSchema.safeParse(read.value);
  if (data) return { ...read, id: data.id };
  throw new ConnectorError(
    'bad_data',
    'Expected an athlete with an id from /api/v3/athlete, got something else',
  );
}

async function login(context: LoginContext<StravaConfig>): Promise<Session> {
  const { config, tokens, countRequest, signal } = context;
  const transport = createTransport(originOf(config), config.requestTimeoutSeconds * 1000);
  const parts: AccessParts = { config, tokens, countRequest, transport, limits: createRateLimits() };
  const client = createClient(parts);
  try {
    await signInAnew(context, parts);
    const { id: athleteId } = await readAthlete(client, signal);
    return { client, config, athleteId };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Strava: the athlete's activities from a cursor on; the athlete and the totals as they are now. */
export default defineConnector({
  name: 'strava',
  version: '0.1.0',
  description: 'Strava: activities, athlete and totals of one account.',
  source: 'strava',
  config: configSchema,
  login,
  account: ({ athleteId }) => athleteId,
  async check({ session, signal }) {
    await readAthlete(session.client, signal);
  },
  logout: async ({ session }) => session.client.close(),
  datasets: {
    activities: {
      granularity: 'cursor',
      description: 'Activities as the list of Strava has them, oldest first.',
      fetch: ({ session: { client, config }, cursor, signal }) =>
        readActivities({ client, ...config }, cursor, signal),
    },
    athlete: {
      granularity: 'snapshot',
      settleDays: 1,
      description: 'The athlete: name, place, weight, clubs and gear as Strava shows them.',
      async *fetch({ session, window, signal }) {
        const { text } = await readAthlete(session.client, signal);
        yield { day: window.from, data: rawJson(text), method: 'getLoggedInAthlete' };
      },
    },
    athlete_stats: {
      granularity: 'snapshot',
      settleDays: 1,
      description: 'Totals of four weeks, of the year and of all time, of activities that everyone may see.',
      async *fetch({ session: { client, athleteId }, window, signal }) {
        const { text } = await client.get(`/api/v3/athletes/${athleteId}/stats`, {}, signal);
        yield { day: window.from, data: rawJson(text), method: 'getStats' };
      },
    },
  },
});
