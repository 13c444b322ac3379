import { defineConnector } from '@on-the-way/sdk';
import { dayMarks, lastChange } from './changes.ts';
import { createClient } from './client.ts';
import { configSchema } from './config.ts';
import { pickDatasets } from './datasets/index.ts';
import { createGarminApi } from './garmin-api.ts';
import { ingest } from './ingest.ts';
import { openApis } from './login/login.ts';
import { chooseMetrics } from './metrics.ts';
import { createPacer } from './pacer.ts';
import { createRecorder } from './record/recorder.ts';
import { createSession, proveSession } from './session.ts';

export default defineConnector({
  name: 'garmin',
  version: '0.1.0',
  description: 'Garmin Connect: 32 health datasets, global and China accounts.',
  source: 'garmin_connect_health',
  service: 'garmin_connect',
  config: configSchema,
  ingest,
  async login(context) {
    const { config, log, countRequest } = context;
    const metrics = chooseMetrics(config.metrics, log);
    const client = createClient(config, countRequest);
    const { requestsInFlight } = config;
    const pace = createPacer(config.minRequestIntervalMs, { requestsInFlight });
    const record = context.record && createRecorder(context.record);
    try {
      const opened = await openApis({
        client,
        context,
        makeApi: (credential, origin) =>
          createGarminApi({ client, credential, pace, origin, ...(record && { record }) }),
      });
      return createSession({ ...opened, metrics, close: () => client.close() }, config);
    } catch (error) {
      client.close();
      throw error;
    }
  },
  account: (session) => session.account,
  check: async ({ session, signal }) => proveSession(session, signal),
  lastChange: async ({ session, signal }) => lastChange(session, signal),
  dayMarks: async ({ session, window, signal }) => dayMarks(session, window, signal),
  datasets: async (session) => pickDatasets(session),
  async logout({ session }) {
    session.close();
  },
});
