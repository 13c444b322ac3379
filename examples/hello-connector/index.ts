import { dayAt, defineConnector } from '@on-the-way/sdk';
import { z } from 'zod';

/** Greets once a day. The smallest whole connector: no login, one dataset. */
export default defineConnector({
  name: 'hello',
  version: '0.1.0',
  description: 'Says hello, once a day.',
  source: 'hello',
  config: z.object({ name: z.string().default('world') }),
  async login({ config }) {
    return { name: config.name };
  },
  account: (session) => session.name,
  datasets: {
    greeting: {
      granularity: 'day',
      settleDays: 1,
      description: 'A greeting.',
      async *fetch({ session, window: { from: day, to } }) {
        // Where days begin first: no day after that one has come anywhere.
        if (day < to && day <= dayAt(Date.now(), 'Pacific/Kiritimati'))
          yield { day, data: { text: `Hello, ${session.name}!` } };
      },
    },
  },
});
