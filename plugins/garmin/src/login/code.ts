import { ConnectorError, type LoginContext, type Tokens } from '@on-the-way/sdk';
import type { GarminClient } from '../client.ts';
import { sendCode } from './mobile-sign-in.ts';
import { signInAgain } from './remedy.ts';
import { loadPending, pendingMs, savePending, type PendingSignIn } from './sign-in-memory.ts';

const retries = 3;

/** What waits for a code and who can give it. */
export interface CodeRequest {
  readonly pending: PendingSignIn;
  /** Known already. */
  readonly code?: string | undefined;
  readonly prompt?: LoginContext<unknown>['prompt'];
  readonly tokens: Tokens;
  readonly signal: AbortSignal;
}

/** The sign-in that waits for a code, where it is still good for this region and account. */
export async function findPending(
  tokens: Tokens,
  { region, account }: { readonly region: string; readonly account: string | undefined },
): Promise<PendingSignIn | undefined> {
  const pending = await loadPending(tokens);
  if (!pending || pending.region !== region) return undefined;
  if (account !== undefined && pending.account !== account) return undefined;
  return Date.now() - pending.began_at < pendingMs ? pending : undefined;
}

/** Where the code is to be found. */
function describeCode({ method, sent_to: to }: PendingSignIn): string {
  if (/mail/i.test(method)) return `Garmin sent a code by e-mail${to === undefined ? '' : ` to ${to}`}`;
  if (/sms|phone/i.test(method)) return `Garmin sent a code by SMS${to === undefined ? '' : ` to ${to}`}`;
  return 'Garmin wants a code from your authenticator app';
}

function codeMissing(pending: PendingSignIn): ConnectorError {
  return new ConnectorError(
    'needs_user',
    `Expected a code to finish the sign-in: ${describeCode(pending)}. Within ${pendingMs / 60_000} minutes run ` +
      '`npx otw login garmin --code 123456` with it, or set GARMIN_MFA_CODE to it and start again',
  );
}

function codeRefused(pending: PendingSignIn): ConnectorError {
  return new ConnectorError(
    'needs_user',
    `Expected the right code, but Garmin refused it: ${describeCode(pending)}. The sign-in still waits: within ` +
      `${pendingMs / 60_000} minutes run \`npx otw login garmin --code 123456\` with the newest code`,
  );
}

async function startOver(tokens: Tokens, found: string): Promise<never> {
  await savePending(tokens, undefined);
  throw new ConnectorError('needs_user', `Expected a code, ${found}: to begin again, ${signInAgain}`);
}

/**
 * Finishes a sign-in that waits for a code; resolves with its ticket. A refused code may be given again
 * three times by a person who is there. The sign-in still waits after a code was missing or refused.
 */
export async function finishWithCode(
  client: GarminClient,
  { pending, code, prompt, tokens, signal }: CodeRequest,
): Promise<string> {
  const { method, cookies } = pending;
  let given = code;
  for (let refused = 0; refused <= retries; refused += 1) {
    if (given === undefined && !prompt) throw refused === 0 ? codeMissing(pending) : codeRefused(pending);
    const before = refused > 0 ? 'That code was refused. ' : '';
    given ??= await prompt?.({
      message: `${before}${describeCode(pending)}. Code (nothing to begin again):`,
    });
    const digits = (given ?? '').replaceAll(/[\s-]/g, '');
    if (digits === '') return startOver(tokens, 'got nothing');
    const answer = await sendCode(client, { method, cookies, code: digits, signal });
    if (answer.kind === 'ticket') return answer.ticket;
    if (answer.kind === 'ended') return startOver(tokens, 'but Garmin no longer waits for it');
    given = undefined;
  }
  throw codeRefused(pending);
}
