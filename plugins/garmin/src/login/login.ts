import { ConnectorError, type LoginContext } from '@on-the-way/sdk';
import type { GarminClient } from '../client.ts';
import type { GarminConfig } from '../config.ts';
import type { Credential } from './credential.ts';
import { loadDiCredential } from './di-token.ts';
import { loadOauthCredential } from './oauth-token.ts';
import { signIn } from './password.ts';
import { describeSignIn } from './remedy.ts';

/** Tries a credential out; resolves with what it opens. */
export type Verify<Session> = (credential: Credential) => Promise<Session>;

function isRefusal(error: unknown): error is ConnectorError {
  return ConnectorError.is(error) && (error.code === 'needs_user' || error.code === 'auth');
}

async function trySaved<Session>(
  client: GarminClient,
  context: LoginContext<GarminConfig>,
  verify: Verify<Session>,
): Promise<{ session: Session } | { refusal: ConnectorError | undefined }> {
  let refusal: ConnectorError | undefined;
  for (const load of [loadDiCredential, loadOauthCredential]) {
    const credential = await load(client, context);
    if (!credential) continue;
    try {
      return { session: await verify(credential) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal ??= error;
      context.log.info('Saved Garmin tokens are not accepted', { code: error.code });
    }
  }
  return { refusal };
}

function whatIsMissing({ config, prompt }: LoginContext<GarminConfig>): string {
  const { email, password } = config;
  if (email === undefined || password === undefined) {
    const missing = [email === undefined && 'e-mail', password === undefined && 'password'].filter(Boolean);
    return `no saved tokens, and no ${missing.join(' and ')}`;
  }
  return prompt
    ? 'no saved tokens'
    : 'no saved tokens, and nobody at a terminal (a scheduled run never uses the password)';
}

/**
 * Opens a session: saved DI tokens, then saved OAuth tokens, then, only with a person present or
 * against a simulator, one sign-in with the password.
 */
export async function openSession<Session>(
  client: GarminClient,
  context: LoginContext<GarminConfig>,
  verify: Verify<Session>,
): Promise<Session> {
  const saved = await trySaved(client, context, verify);
  if ('session' in saved) return saved.session;
  const { config, tokens, signal, prompt } = context;
  const { email, password } = config;
  const maySignIn = prompt !== undefined || client.origins.areLoopback;
  if (maySignIn && email !== undefined && password !== undefined) {
    return verify(await signIn(client, { email, password, tokens, signal }));
  }
  if (saved.refusal) throw saved.refusal;
  throw new ConnectorError(
    'needs_user',
    `Expected a way into Garmin Connect, got ${whatIsMissing(context)}. ${describeSignIn}`,
  );
}
