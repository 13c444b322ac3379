import { ConnectorError, type SignIn } from '@on-the-way/sdk';
import { findPending, finishWithCode } from './code.ts';
import { exchangeTicket } from './di-token.ts';
import { mobileService, sendPassword } from './mobile-sign-in.ts';
import { accept, acceptFirst, type LoginParts, type OpenedSession } from './open-saved.ts';
import { signInByForm } from './password.ts';
import { checkPause } from './refusals.ts';
import { describeSignIn } from './remedy.ts';
import { accountOf, type SavedSession } from './saved-session.ts';
import { savePending, type PendingSignIn } from './sign-in-memory.ts';
import { signInByTicket } from './ticket.ts';
import { readTokenFiles } from './token-files.ts';

/** What a password signs in with. */
export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** Finishes a sign-in that waits for a code, and takes its session. */
export async function finishPending(
  parts: LoginParts,
  { pending, code }: { readonly pending: PendingSignIn; readonly code: string | undefined },
): Promise<OpenedSession> {
  const { client, context } = parts;
  const { prompt, tokens, signal } = context;
  checkPause(context);
  const ticket = await finishWithCode(client, { pending, code, prompt, tokens, signal });
  // The ticket is spent by the next request, whatever comes of it.
  await savePending(tokens, undefined);
  const session = await exchangeTicket(client, { ticket, serviceUrl: pending.service_url, signal });
  return accept(parts, session, 'password');
}

/** What a sign-in by password is given beside the password. */
export interface PasswordSignIn extends Credentials {
  readonly code?: string | undefined;
  /** Called where Garmin refuses the password, before that is thrown. */
  readonly onRefused?: () => Promise<unknown>;
}

/** Signs in as the phone app does: once, and with the code where Garmin wants one. */
export async function signInWithPassword(
  parts: LoginParts,
  { email, password, code, onRefused }: PasswordSignIn,
): Promise<OpenedSession> {
  const { client, context } = parts;
  const { tokens, signal } = context;
  checkPause(context);
  const region = client.origins.domain;
  const serviceUrl = mobileService(region);
  const {
    ticket,
    method = 'email',
    sentTo,
    cookies,
  } = await sendPassword(client, { email, password, signal }).catch(async (error: unknown) => {
    if (ConnectorError.is(error) && error.code === 'auth') await onRefused?.();
    throw error;
  });
  if (ticket !== undefined) {
    return accept(parts, await exchangeTicket(client, { ticket, serviceUrl, signal }), 'password');
  }
  const pending = {
    region,
    account: accountOf(email),
    began_at: Date.now(),
    method,
    ...(sentTo !== undefined && { sent_to: sentTo }),
    cookies: [...cookies],
    service_url: serviceUrl,
  };
  await savePending(tokens, pending);
  return finishPending(parts, { pending, code });
}

async function askForCredentials({ context }: LoginParts): Promise<Credentials> {
  const { config, prompt } = context;
  const email =
    config.email ?? (await prompt?.({ message: 'E-mail address of the account at Garmin Connect:' }))?.trim();
  const password =
    email === undefined
      ? undefined
      : (config.password ?? (await prompt?.({ message: 'Password:', hidden: true })));
  if (email !== undefined && email !== '' && password !== undefined && password !== '')
    return { email, password };
  throw new ConnectorError(
    'needs_user',
    `Expected e-mail and password to sign in with, got ${email ? 'no password' : 'no e-mail'}: set GARMIN_EMAIL and ` +
      `GARMIN_PASSWORD, or run the command at a terminal, which asks. ${describeSignIn}`,
  );
}

/** Failures of the app's way that say nothing against e-mail, password or account. */
function mayTryForm(error: unknown): error is ConnectorError {
  if (!ConnectorError.is(error) || !['transient', 'bad_data', 'source'].includes(error.code)) return false;
  // So answers the other region, where the form would be refused too.
  return error.code !== 'bad_data' || error.status !== 400;
}

async function offerForm(
  parts: LoginParts,
  credentials: Credentials,
  error: ConnectorError,
): Promise<OpenedSession> {
  const { client, context } = parts;
  const { prompt, signal } = context;
  const answer = await prompt?.({
    message: `${error.message}. Try once more with the form of Garmin's web site? A further sign-in may be refused (y/N):`,
  });
  if (!/^y(es)?$/i.test(answer?.trim() ?? '')) throw error;
  return accept(parts, await signInByForm(client, { ...credentials, signal }), 'password');
}

async function signInByAsking(parts: LoginParts, code: string | undefined): Promise<OpenedSession> {
  const { client, context } = parts;
  const { config, tokens } = context;
  checkPause(context);
  const account = config.email === undefined ? undefined : accountOf(config.email);
  const pending = await findPending(tokens, { region: client.origins.domain, account });
  if (pending) return finishPending(parts, { pending, code });
  const credentials = await askForCredentials(parts);
  try {
    return await signInWithPassword(parts, { ...credentials, code });
  } catch (error) {
    if (!mayTryForm(error)) throw error;
    return offerForm(parts, credentials, error);
  }
}

async function importFiles(
  parts: LoginParts,
  files: Extract<SignIn, { way: 'import' }>['files'],
): Promise<OpenedSession> {
  const { client, context } = parts;
  const sessions: SavedSession[] = readTokenFiles(files, { region: client.origins.domain, log: context.log });
  const opened = await acceptFirst(parts, sessions);
  if ('api' in opened) return opened;
  throw (
    opened.refusal ??
    new ConnectorError(
      'config',
      'Expected tokens as python-garminconnect (garmin_tokens), garth or garmin-connect (oauth1_token, oauth2_token) ' +
        `save them, got ${Object.keys(files).length === 0 ? 'no file' : 'files without any'}`,
    )
  );
}

/** Signs in anew, in the way a person chose; what is saved is replaced once the new session has come. */
export async function signInAnew(parts: LoginParts, signIn: SignIn): Promise<OpenedSession> {
  switch (signIn.way) {
    case 'import':
      return importFiles(parts, signIn.files);
    case 'ticket': {
      const { prompt, signal } = parts.context;
      const session = await signInByTicket(parts.client, { ticket: signIn.ticket, prompt, signal });
      return accept(parts, session, 'ticket');
    }
    case 'ask':
      return signInByAsking(parts, signIn.code);
  }
}
