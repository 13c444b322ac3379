import { ConnectorError, type LoginContext, type SignIn } from '@on-the-way/sdk';
import { z } from 'zod';
import { field, savedOf, type AccessParts } from './access.ts';
import { originOf, type StravaConfig } from './config.ts';
import { exchange, type Grant } from './exchange.ts';

type Context = Pick<LoginContext<StravaConfig>, 'config' | 'prompt' | 'signIn' | 'signInPausedUntil'>;

const imported = z.object({ refresh_token: z.string().min(1) });

/** The page on which a person gives access. Strava then leads to an address of this machine, where nothing answers. */
function pageOf(config: StravaConfig): string {
  const query = new URLSearchParams({
    client_id: config.clientId,
    response_type: 'code',
    redirect_uri: 'http://localhost/exchange_token',
    approval_prompt: 'force',
    scope: 'read,activity:read_all',
  });
  return `${originOf(config)}/oauth/authorize?${query.toString()}`;
}

function needsUser(message: string): ConnectorError {
  return new ConnectorError('needs_user', message);
}

/** The code in the address that Strava led to. A person may have said no, or unticked a box. */
function codeIn(address: string): Grant {
  const query = new URL(address).searchParams;
  const code = query.get('code');
  if (code === null)
    throw needsUser('Expected an address with a code in it, got one without: access was not given');
  const given = query.get('scope')?.split(',');
  if (given && !given.some((scope) => scope === 'activity:read' || scope === 'activity:read_all'))
    throw needsUser(
      'Expected the permission activity:read or activity:read_all: sign in again and leave the box ticked',
    );
  return { grant_type: 'authorization_code', code };
}

/** What was typed or pasted: the address that Strava led to, else what `otherwise` makes of it. */
function grantOf(answer: string, otherwise: (text: string) => Grant): Grant {
  const text = answer.trim();
  if (/^https?:\/\//.test(text)) return codeIn(text);
  if (text === '') throw needsUser('Expected an address, a code or a refresh token, got nothing');
  return otherwise(text);
}

const asCode = (code: string): Grant => ({ grant_type: 'authorization_code', code });
const asRefreshToken = (token: string): Grant => ({ grant_type: 'refresh_token', refresh_token: token });

async function asked({ config, prompt }: Context): Promise<Grant> {
  if (!prompt) throw needsUser('Expected a person to ask, found none: otw login asks in a terminal');
  const answer = await prompt({
    message:
      `Open ${pageOf(config)} , give access, and paste the address your browser is led to (the page itself will not ` +
      'open). A refresh token will do, too:',
    hidden: true,
  });
  return grantOf(answer, asRefreshToken);
}

async function grantFrom(context: Context, signIn: SignIn): Promise<Grant> {
  if (signIn.way === 'import') {
    const found = Object.values(signIn.files).flatMap((file) => imported.safeParse(file).data ?? []);
    if (found[0]) return asRefreshToken(found[0].refresh_token);
    throw needsUser('Expected a file with refresh_token in it, found none');
  }
  const code = signIn.way === 'ticket' ? signIn.ticket : signIn.code;
  return code === undefined ? asked(context) : grantOf(code, asCode);
}

function checkPause({ signInPausedUntil = 0 }: Context): void {
  const retryAfterMs = signInPausedUntil - Date.now();
  if (retryAfterMs <= 0) return;
  throw new ConnectorError('rate_limited', 'Expected Strava to take a sign-in, it asked for a pause', {
    retryAfterMs,
    refusedSignIn: true,
  });
}

/**
 * Exchanges what the person has for access, and saves it. What was saved before stays where Strava refuses.
 *
 * @throws ConnectorError `needs_user` for a code or token that Strava refuses, or a permission that is missing.
 */
export async function signInAnew(context: Context, parts: AccessParts): Promise<void> {
  const { signIn, config } = context;
  if (!signIn) return;
  checkPause(context);
  const grant = await grantFrom(context, signIn);
  await parts.tokens.update(field, async () => {
    const access = await exchange(parts, grant);
    if (access !== 'refused') return savedOf(access, config);
    throw needsUser(
      `Expected ${grant.grant_type === 'refresh_token' ? 'a refresh token' : 'a code'} that Strava takes, it refused: a ` +
        'code works once and for a short time; sign in again',
    );
  });
}
