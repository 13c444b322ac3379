import { isLoopback } from '../config/http-config.ts';
import type { HostConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import type { ApiKeyStore } from '../storage/api-keys.ts';

/** Who can open the API as it is configured. */
export interface Access {
  /** False when keys are required and there is none. */
  readonly ok: boolean;
  /** What holds, or what to do. */
  readonly detail: string;
}

/** Looks whether anybody could ask the API anything; for `otw start` and `otw doctor`. */
export async function accessOf({ host, http }: HostConfig, keys: ApiKeyStore): Promise<Access> {
  const usable = (await keys.usable()).length;
  const shown = `${usable} usable key${usable === 1 ? '' : 's'}${http.apiKey === undefined ? '' : ' and OTW_API_KEY'}`;
  if (!http.requireKey) return { ok: true, detail: `not required on ${host} (${shown})` };
  if (usable > 0 || http.apiKey !== undefined) return { ok: true, detail: `required on ${host} (${shown})` };
  const why = isLoopback(host) ? 'since keys are required' : `since others can reach ${host}`;
  const todo = 'make one with: npx otw keys create --name me --scope admin, or set OTW_API_KEY';
  return { ok: false, detail: `expected an API key ${why}, found none; ${todo}` };
}

/** @throws HostError (exit 78) when keys are required and there is none: nobody could ask anything. */
export async function checkAccess(config: HostConfig, keys: ApiKeyStore): Promise<void> {
  const { ok, detail } = await accessOf(config, keys);
  if (ok) return;
  const key = isLoopback(config.host) ? 'OTW_REQUIRE_API_KEY' : 'OTW_HOST';
  throw new HostError(exitCodes.badConfig, `${key}: ${detail}`);
}
