import { defineConnector } from '@on-the-way/sdk';
import { createClient } from './client.ts';
import { configSchema } from './config.ts';
import { pickDatasets } from './datasets/index.ts';
import { createGarminApi } from './garmin-api.ts';
import { openSession } from './login/login.ts';
import { chooseMetrics } from './metrics.ts';
import { createPacer } from './pacer.ts';
import { createSession, isSomeoneElse, readProfile } from './session.ts';

export default defineConnector({
  name: 'garmin',
  version: '0.1.0',
  description: 'Garmin Connect: 32 health datasets, global and China accounts.',
  source: 'garmin_connect_health',
  service: 'garmin_connect',
  config: configSchema,
  async login(context) {
    const { config, log, signal } = context;
    const metrics = chooseMetrics(config.metrics, log);
    const client = createClient(config);
    const pace = createPacer(config.minRequestIntervalMs);
    try {
      return await openSession(client, context, async (credential) => {
        const api = createGarminApi({ client, credential, pace });
        const profile = await readProfile(api, { isChina: config.isChina, signal });
        if (isSomeoneElse(config.email, profile.userName)) {
          log.warn(
            'the account signed in has another address than GARMIN_EMAIL, under which its rows are filed',
          );
        }
        return createSession({ api, profile, metrics, close: () => client.close() }, config);
      });
    } catch (error) {
      client.close();
      throw error;
    }
  },
  account: (session) => session.account,
  async check({ session, signal }) {
    await session.api.get('/userprofile-service/socialProfile', { signal });
  },
  datasets: async (session) => pickDatasets(session.metrics),
  async logout({ session }) {
    session.close();
  },
});
