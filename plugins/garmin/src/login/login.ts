import { ConnectorError } from '@on-the-way/sdk';
import type { GarminApis, Profile } from '../session.ts';
import {
  acceptFirst,
  isRefusal,
  openSaved,
  rememberDead,
  type LoginParts,
  type OpenedSession,
} from './open-saved.ts';
import { createKeyCredential, warnOfExpiry } from './personal-key.ts';
import { describeSignIn } from './remedy.ts';
import { loadSession } from './saved-session.ts';
import { signInAnew } from './sign-in.ts';
import { loadKept } from './sign-in-memory.ts';
import { fileNames, readTokenFiles } from './token-files.ts';
import { signInUnattended } from './unattended.ts';

/** The ways to ask for data, and who is signed in. */
export interface OpenedApis {
  readonly apis: GarminApis;
  readonly profile: Profile;
}

/** Opened, or why it is not; `hadSession` tells a session that ended from one that never was. */
type Attempt = OpenedSession | { readonly refusal: ConnectorError; readonly hadSession: boolean };

const nobody: Profile = { displayName: undefined, profileId: undefined, userName: undefined };

async function openFiles(parts: LoginParts): Promise<Awaited<ReturnType<typeof acceptFirst>>> {
  const { client, context } = parts;
  const { tokens, log } = context;
  const loaded = await Promise.all(fileNames.map(async (name) => [name, await tokens.load(name)] as const));
  const sessions = readTokenFiles(Object.fromEntries(loaded), { region: client.origins.domain, log });
  const { dead_files: dead } = await loadKept(tokens);
  return acceptFirst(
    parts,
    sessions.filter(({ imported = '' }) => !dead.includes(imported)),
  );
}

function whatIsMissing({ context }: LoginParts): string {
  const { email, password, mfaCode } = context.config;
  if (email === undefined || password === undefined) return 'no saved session';
  if (mfaCode === undefined) return 'no saved session (a scheduled run never uses the password)';
  return 'no saved session, and the code in GARMIN_MFA_CODE was used before';
}

async function openConnect(parts: LoginParts): Promise<Attempt> {
  const saved = await loadSession(parts.context.tokens);
  let refusal: ConnectorError | undefined;
  if (saved) {
    try {
      return await openSaved(parts, saved);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal = error;
      await rememberDead(parts, saved);
    }
  }
  const opened = await openFiles(parts);
  if ('api' in opened) return opened;
  refusal ??= opened.refusal;
  const signedIn = await signInUnattended(parts, saved !== undefined);
  if (signedIn) return signedIn;
  const missing = `Expected a way into Garmin Connect, got ${whatIsMissing(parts)}. ${describeSignIn}`;
  return {
    refusal: refusal ?? new ConnectorError('needs_user', missing),
    hadSession: refusal !== undefined,
  };
}

/** The api of the Personal API key, or why it is refused; undefined where none is configured. */
async function openPersonal({ client, context, makeApi }: LoginParts) {
  const { config, tokens } = context;
  if (config.personalApiKey === undefined) return undefined;
  warnOfExpiry(context);
  const credential = createKeyCredential(client, { apiKey: config.personalApiKey, tokens });
  try {
    await credential.bearer();
    return { api: makeApi(credential, client.origins.personal) };
  } catch (error) {
    if (ConnectorError.is(error)) return { refusal: error };
    throw error;
  }
}

function combine(
  { context }: LoginParts,
  connect: Attempt,
  personal: Awaited<ReturnType<typeof openPersonal>>,
): OpenedApis {
  const personalApi = personal && 'api' in personal ? personal.api : undefined;
  const keyRefusal = personal && 'refusal' in personal ? personal.refusal : undefined;
  if ('api' in connect) {
    if (keyRefusal) context.log.warn(keyRefusal.message, { code: keyRefusal.code });
    return {
      apis: { connect: connect.api, ...(personalApi && { personal: personalApi }) },
      profile: connect.profile,
    };
  }
  if (!personalApi) throw connect.hadSession ? connect.refusal : (keyRefusal ?? connect.refusal);
  if (connect.hadSession) context.log.warn(connect.refusal.message, { code: connect.refusal.code });
  return { apis: { personal: personalApi }, profile: nobody };
}

/**
 * Opens every credential there is. With a person who wants to sign in anew, in the way they chose. Else the
 * saved session, then token files, then what may be done once without a person; and the Personal API key
 * beside it. Throws `needs_user` where nothing opens.
 */
export async function openApis(parts: LoginParts): Promise<OpenedApis> {
  const { signIn } = parts.context;
  const connect = signIn ? await signInAnew(parts, signIn) : await openConnect(parts);
  return combine(parts, connect, await openPersonal(parts));
}
