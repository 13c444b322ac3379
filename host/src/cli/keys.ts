import { formatInstant } from '@on-the-way/sdk';
import { seconds } from '../config/file-schema.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { keyScopes, type ApiKey, type KeyScope } from '../storage/api-keys.ts';
import { withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { formatTable, print, printJson, say } from './output.ts';

/** What `otw keys` takes. */
export interface KeysOptions extends GlobalOptions {
  readonly name?: string;
  /** With commas between. */
  readonly scope?: string;
  /** A number with s, m, h or d. */
  readonly expires?: string;
}

const longestDays = 3650;

function usage(message: string): HostError {
  return new HostError(exitCodes.usage, message);
}

function scopesIn(text: string | undefined): readonly KeyScope[] {
  const names = (text ?? '').split(',').map((name) => name.trim());
  const scopes = keyScopes.filter((scope) => names.includes(scope));
  if (scopes.length > 0 && scopes.length === new Set(names).size) return scopes;
  const expected = `Expected --scope with one or more of ${keyScopes.join(', ')}`;
  throw usage(`${expected}; for example --scope ingest,read`);
}

function nameIn(text: string | undefined): string {
  const name = text?.trim() ?? '';
  if (/^[^\p{Cc}]{1,64}$/u.test(name)) return name;
  throw usage('Expected --name with 1 to 64 characters that say who uses the key; for example --name phone');
}

function expiryIn(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,9}[smhd]$/.test(text) ? seconds(text) : 0;
  if (value > 0 && value <= longestDays * 86_400) return new Date(Date.now() + value * 1000);
  throw usage(`Expected --expires with a number and s, m, h or d, up to ${longestDays}d; for example 90d`);
}

function stateOf({ revokedAt, expiresAt }: ApiKey): 'usable' | 'revoked' | 'expired' {
  if (revokedAt) return 'revoked';
  return expiresAt && expiresAt.getTime() <= Date.now() ? 'expired' : 'usable';
}

function shownKey(key: ApiKey, timeZone: string) {
  const stamp = (at: Date | null): string | null => at && formatInstant(at.getTime(), timeZone);
  return {
    key_id: key.keyId,
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    state: stateOf(key),
    created_at: stamp(key.createdAt),
    expires_at: stamp(key.expiresAt),
    revoked_at: stamp(key.revokedAt),
    last_used_at: stamp(key.lastUsedAt),
  };
}

function createKey(options: KeysOptions): Promise<number> {
  const name = nameIn(options.name);
  const scopes = scopesIn(options.scope);
  const expiresAt = expiryIn(options.expires);
  return withContext(options, { role: 'keys' }, async ({ host, config }) => {
    const { text, key } = await host.apiKeys.create({ name, scopes, ...(expiresAt && { expiresAt }) });
    if (options.json === true) printJson({ key: text, ...shownKey(key, config.timeZone) });
    else print(text);
    say(
      'This is shown once and stored nowhere: keep it now. Requests carry it as Authorization: Bearer otw_…',
    );
    return exitCodes.done;
  });
}

async function listKeys({ host, config }: CommandContext, options: KeysOptions): Promise<number> {
  const keys = (await host.apiKeys.list()).map((key) => shownKey(key, config.timeZone));
  if (options.json === true) printJson({ keys });
  else if (keys.length === 0) say('No keys. To make one: npx otw keys create --name phone --scope ingest');
  else {
    const rows = keys.map((key) => [
      key.prefix,
      key.name,
      key.scopes.join(','),
      key.state,
      key.expires_at ?? 'never',
      key.last_used_at ?? 'never',
      key.key_id,
    ]);
    print(formatTable(['key', 'name', 'scopes', 'state', 'expires', 'last used', 'id'], rows));
  }
  return exitCodes.done;
}

async function revokeKey({ host, config }: CommandContext, options: KeysOptions, which: string) {
  const key = await host.apiKeys.revoke(which);
  if (!key) {
    throw new HostError(
      exitCodes.failed,
      'Expected the id or the first 12 characters of a key that is there; npx otw keys list shows them',
    );
  }
  if (options.json === true) printJson(shownKey(key, config.timeZone));
  else print(`${key.prefix} (${key.name}) is revoked; a host that is running refuses it within 10 seconds`);
  return exitCodes.done;
}

/** `otw keys`: makes, lists and revokes keys of the HTTP API. */
export function keysCommand(
  action: string | undefined,
  which: string | undefined,
  options: KeysOptions,
): Promise<number> {
  switch (action ?? 'list') {
    case 'create':
      return createKey(options);
    case 'list':
      return withContext(options, { role: 'keys' }, (context) => listKeys(context, options));
    case 'revoke': {
      if (which === undefined) throw usage('Expected the id or the first 12 characters of a key to revoke');
      // Whoever pastes the whole key means that one.
      const found = which.startsWith('otw_') ? which.slice(0, 12) : which;
      return withContext(options, { role: 'keys' }, (context) => revokeKey(context, options, found));
    }
    default:
      throw usage(
        'Expected create, list or revoke; for example: otw keys create --name phone --scope ingest',
      );
  }
}
