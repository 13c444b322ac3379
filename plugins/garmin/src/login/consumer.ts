import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import { withDeadline } from '../abort.ts';
import { consumerUrl, type GarminClient } from '../client.ts';
import { toConnectorError } from '../map-error.ts';

const consumerSchema = z.object({ consumer_key: z.string().min(1), consumer_secret: z.string().min(1) });

/** The app's OAuth 1 consumer, fetched once a session; on loopback an invented one. */
export async function loadConsumer({ library, origins, timeoutMs }: GarminClient) {
  if (origins.areLoopback) library.OAUTH_CONSUMER ??= { key: 'loopback', secret: 'loopback' };
  if (library.OAUTH_CONSUMER) return library.OAUTH_CONSUMER;
  const answer = await withDeadline({ timeoutMs }, (signal) =>
    library.get<unknown>(consumerUrl, { signal }),
  ).catch((error: unknown) => {
    throw toConnectorError(error, { path: consumerUrl });
  });
  const parsed = consumerSchema.safeParse(answer);
  if (!parsed.success) {
    throw new ConnectorError(
      'bad_data',
      `Expected consumer_key and consumer_secret from ${consumerUrl}, got neither`,
    );
  }
  library.OAUTH_CONSUMER = { key: parsed.data.consumer_key, secret: parsed.data.consumer_secret };
  return library.OAUTH_CONSUMER;
}
