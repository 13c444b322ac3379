import { ConnectorError, type LoginContext } from '@on-the-way/sdk';
import { z } from 'zod';
import type { GarminClient } from '../client.ts';
import type { GarminConfig } from '../config.ts';
import { claimsOf } from './jwt.ts';
import type { Credential } from './credential.ts';
import { post } from './post.ts';
import { parseRetryAfter } from '../map-error.ts';
import { digestOf } from './sign-in-memory.ts';

/** The field of the token store that holds the bearer of the key. */
const field = 'personal_bearer';

const path = '/personalapitoken-service/personal-api/personal-api-key/token';
const daySeconds = 86_400;
const marginSeconds = 300;
const warnDays = 14;

const answerSchema = z.union([
  z.object({
    access_token: z.string().min(1),
    expires_in: z.number().positive().optional().catch(undefined),
  }),
  z
    .object({ token: z.string().min(1), expires_in: z.number().positive().optional().catch(undefined) })
    .transform(({ token, ...rest }) => ({ access_token: token, ...rest })),
]);

const savedSchema = z.object({ key: z.string(), bearer: z.string().min(1), renew_at: z.number() });
type Saved = z.output<typeof savedSchema>;

function isGood(saved: Saved | undefined, key: string): boolean {
  return saved?.key === key && Date.now() / 1000 < saved.renew_at;
}

async function exchange(client: GarminClient, apiKey: string): Promise<Omit<Saved, 'key'>> {
  const answer = await post(client, {
    url: `${client.origins.personal}${path}`,
    body: '',
    headers: { Accept: 'application/json', Authorization: `ApiKey ${apiKey}` },
  });
  const { status, json, headers } = answer;
  if (status === 429) {
    const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
    throw new ConnectorError('rate_limited', `Expected a token from ${path}, got HTTP 429: wait`, {
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  if (status === 408 || status >= 500) {
    throw new ConnectorError(
      'transient',
      `Expected a token from ${path}, got HTTP ${status}: ask again later`,
      {
        status,
      },
    );
  }
  if (status < 200 || status > 299) throw refusedKey(status, client);
  const parsed = answerSchema.safeParse(json);
  if (!parsed.success) {
    throw new ConnectorError('bad_data', `Expected access_token from ${path}, got an answer without it`);
  }
  const { access_token: bearer, expires_in: lifetime = daySeconds } = parsed.data;
  const now = Date.now() / 1000;
  const expires = claimsOf(bearer).exp ?? now + lifetime;
  return {
    bearer,
    renew_at: Math.floor(expires - Math.min(marginSeconds, Math.max(0, (expires - now) / 2))),
  };
}

function refusedKey(status: number, { origins }: GarminClient): ConnectorError {
  return new ConnectorError(
    'needs_user',
    `Expected GARMIN_PERSONAL_API_KEY (personalApiKey) to be accepted, got HTTP ${status}: it has ended, or belongs to ` +
      `another region than ${origins.domain}. Make a new key at connect.${origins.domain}/app/settings/personalApiToken`,
    { status },
  );
}

/** Warns where the key ends within 14 days, or has ended. */
export function warnOfExpiry({ config, log }: Pick<LoginContext<GarminConfig>, 'config' | 'log'>): void {
  const { personalApiKey, personalApiKeyExpiresOn: day } = config;
  if (personalApiKey === undefined || day === undefined) return;
  const days = Math.ceil((Date.parse(`${day}T00:00:00Z`) - Date.now()) / (daySeconds * 1000));
  if (days > warnDays) return;
  const when = days > 0 ? `ends in ${days === 1 ? '1 day' : `${days} days`}, on ${day}` : `ended on ${day}`;
  log.warn(`GARMIN_PERSONAL_API_KEY ${when}: make a new key at Garmin Connect and set it`, { days });
}

/** The credential of a Personal API key. A bearer lives a day and is kept between runs; a refused key stays so. */
export function createKeyCredential(
  client: GarminClient,
  { apiKey, tokens }: { readonly apiKey: string; readonly tokens: LoginContext<unknown>['tokens'] },
): Credential {
  const key = digestOf(apiKey);
  let current: Saved | undefined;
  let running: Promise<string> | undefined;
  let dead: unknown;

  async function renewNow(refused: string): Promise<string> {
    try {
      const saved = await tokens.update(field, async (value) => {
        const found = savedSchema.safeParse(value).data;
        if (isGood(found, key) && found?.bearer !== refused) return undefined;
        return { key, ...(await exchange(client, apiKey)) };
      });
      current = savedSchema.parse(saved);
      return current.bearer;
    } catch (error) {
      if (ConnectorError.is(error) && error.code === 'needs_user') dead = error;
      throw error;
    } finally {
      running = undefined;
    }
  }

  async function renew(refused: string): Promise<string> {
    if (dead) throw dead;
    if (current && current.bearer !== refused) return current.bearer;
    running ??= renewNow(refused);
    return running;
  }

  return {
    renew,
    async bearer() {
      current ??= savedSchema.safeParse(await tokens.load(field)).data;
      const { bearer = '' } = current ?? {};
      return isGood(current, key) ? bearer : renew(bearer);
    },
  };
}
