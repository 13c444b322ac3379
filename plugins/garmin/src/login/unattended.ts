import { ConnectorError } from '@on-the-way/sdk';
import { findPending } from './code.ts';
import { accept, type LoginParts, type OpenedSession } from './open-saved.ts';
import { signInByForm } from './password.ts';
import { checkPause } from './refusals.ts';
import { otherRegionHint, signInAgain } from './remedy.ts';
import { accountOf } from './saved-session.ts';
import { finishPending, signInWithPassword, type Credentials } from './sign-in.ts';
import { loadKept, remember, secretDigestOf } from './sign-in-memory.ts';

/** The password, unless Garmin refused it before. Each region has accounts of its own. */
async function passwordToTry({ client, context }: LoginParts, { email, password }: Credentials) {
  const { tokens } = context;
  const { domain } = client.origins;
  const digest = secretDigestOf(`${domain} ${accountOf(email)}`, password);
  const { refused_passwords: refused } = await loadKept(tokens);
  if (refused.includes(digest)) {
    throw new ConnectorError(
      'auth',
      'Expected another GARMIN_PASSWORD (password) than the one Garmin refused with this e-mail address, got the same: ' +
        `it is not sent again without a person. Change it, or ${signInAgain}; for an account of the other region ` +
        otherRegionHint(domain),
    );
  }
  return { email, password, onRefused: async () => remember(tokens, 'refused_passwords', digest) };
}

async function signInOnThisMachine(parts: LoginParts, credentials: Credentials): Promise<OpenedSession> {
  const { client, context } = parts;
  const { onRefused, ...tried } = await passwordToTry(parts, credentials);
  checkPause(context);
  const session = await signInByForm(client, { ...tried, signal: context.signal }).catch(
    async (error: unknown) => {
      if (ConnectorError.is(error) && error.code === 'auth') await onRefused();
      throw error;
    },
  );
  return accept(parts, session, 'password');
}

/**
 * Signs in without a person and without a session, where that is allowed: once with each code, never again
 * with a password that was refused. Undefined where there is nothing to try; `rate_limited` during a pause.
 */
export async function signInUnattended(
  parts: LoginParts,
  hadSession: boolean,
): Promise<OpenedSession | undefined> {
  const { client, context } = parts;
  const { tokens } = context;
  const { email, password, mfaCode, personalApiKey } = context.config;
  if (email === undefined) return undefined;
  const credentials = password === undefined || hadSession ? undefined : { email, password };
  if (mfaCode === undefined) {
    // On this machine alone, for demo and tests; a session that died is left dead there too.
    if (!client.origins.areLoopback || !credentials) return undefined;
    return signInOnThisMachine(parts, credentials);
  }
  const account = accountOf(email);
  const pending = await findPending(tokens, { region: client.origins.domain, account });
  if (!pending && (!credentials || personalApiKey !== undefined)) return undefined;
  const tried = !pending && credentials ? await passwordToTry(parts, credentials) : undefined;
  const used = secretDigestOf(account, mfaCode);
  if ((await loadKept(tokens)).used_codes.includes(used)) return undefined;
  checkPause(context);
  // Durable before the request: a code that was tried is not tried again, whatever becomes of this run.
  if (!(await remember(tokens, 'used_codes', used))) return undefined;
  if (pending) return finishPending(parts, { pending, code: mfaCode });
  return tried && signInWithPassword(parts, { ...tried, code: mfaCode });
}
