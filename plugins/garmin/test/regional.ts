import {
  startGarminSimulator,
  type GarminSimulator,
  type GarminSimulatorOptions,
} from '@on-the-way/garmin-simulator';
import { ConnectorError, type JsonValue, type LoginContext, type SignIn } from '@on-the-way/sdk';
import { expect, onTestFinished } from 'vitest';
import { consumerUrl, createClient, type GarminClient } from '../src/client.ts';
import { configSchema, type GarminConfig } from '../src/config.ts';
import { createGarminApi } from '../src/garmin-api.ts';
import { openApis, type OpenedApis } from '../src/login/login.ts';
import { memoryTokens, never } from './server.ts';

export const account = { email: 'runner@example.com', password: 'password-canary' };

type Adapter = Extract<GarminClient['library']['client']['defaults']['adapter'], (...args: never) => unknown>;
type AdapterConfig = Parameters<Adapter>[0];

interface Asked {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  /** Address, headers and body. */
  readonly all: string;
}

/** What a sign-in is told by the person at the terminal, in order; asking further is a fault of the test. */
export function answers(...given: readonly string[]) {
  const left = [...given];
  const questions: string[] = [];
  const prompt: NonNullable<LoginContext<GarminConfig>['prompt']> = async ({ message, hidden }) => {
    questions.push(`${hidden === true ? '(hidden) ' : ''}${message}`);
    const next = left.shift();
    if (next === undefined) throw new Error(`Nobody expected to be asked: ${message}`);
    return next;
  };
  return { prompt, questions };
}

function readable(body: string): string {
  return body.startsWith('--') ? body : decodeURIComponent(body);
}

/** The web form of the library is a stream; everything else is text. */
function bodyOf(data: unknown): { body?: string; headers: Record<string, string> } {
  if (typeof data === 'string') return { body: data, headers: {} };
  const form = data as { getBuffer?: () => Buffer; getHeaders?: () => Record<string, string> } | undefined;
  if (!form?.getBuffer || !form.getHeaders) return { headers: {} };
  const type = form.getHeaders()['content-type'] ?? '';
  return { body: form.getBuffer().toString('utf8'), headers: { 'Content-Type': type } };
}

/** Sends a request for a real host to the simulator instead; nothing leaves this machine. */
function adapterTo(
  { library }: GarminClient,
  { simulator, asked }: { simulator: GarminSimulator; asked: Asked[] },
): Adapter {
  return async (request: AdapterConfig) => {
    const url = new URL(library.client.getUri(request));
    const method = String(request.method).toUpperCase();
    const sent = bodyOf(request.data);
    const headers = { ...(JSON.parse(JSON.stringify(request.headers)) as object), ...sent.headers };
    const { body } = sent;
    asked.push({
      host: url.hostname,
      method,
      path: url.pathname,
      all: decodeURIComponent(url.href) + JSON.stringify(headers) + readable(body ?? ''),
    });
    const answer = url.href.startsWith(consumerUrl)
      ? Response.json({ consumer_key: 'key', consumer_secret: 'secret' })
      : await fetch(`${simulator.origin}${url.pathname}${url.search}`, {
          method,
          headers,
          redirect: 'manual',
          ...(method !== 'GET' && body !== undefined && { body }),
        });
    const cookies = answer.headers.getSetCookie();
    const response = {
      data: await answer.text(),
      status: answer.status,
      statusText: answer.statusText,
      headers: {
        ...Object.fromEntries(answer.headers),
        ...(cookies.length > 0 && { 'set-cookie': cookies }),
      },
      config: request,
    };
    if (request.validateStatus && !request.validateStatus(answer.status))
      throw Object.assign(new Error('refused'), {
        isAxiosError: true,
        code: 'ERR_BAD_RESPONSE',
        config: request,
        response,
      });
    return response;
  };
}

/** What one opening is given beside the region. */
export interface OpenOptions {
  readonly tokens?: ReturnType<typeof memoryTokens>;
  readonly signIn?: SignIn;
  readonly prompt?: NonNullable<LoginContext<GarminConfig>['prompt']>;
  readonly config?: Record<string, unknown>;
  readonly countRequest?: () => void;
  readonly signInPausedUntil?: number;
}

/** A simulated Garmin of one region behind its real names, and a way to open connections to it. */
export async function startRegion(isChina: boolean, options: GarminSimulatorOptions = {}) {
  const domain = isChina ? 'garmin.cn' : 'garmin.com';
  const simulator = await startGarminSimulator({ ...account, region: domain, ...options });
  onTestFinished(async () => simulator.close());
  const asked: Asked[] = [];
  const logged: string[] = [];
  const note = (message: string, fields?: unknown) =>
    void logged.push(`${message} ${JSON.stringify(fields ?? '')}`);

  async function open(given: OpenOptions = {}): Promise<OpenedApis> {
    const { tokens = memoryTokens(), signIn, prompt, countRequest = () => {}, signInPausedUntil } = given;
    const config = configSchema.parse({ isChina, minRequestIntervalMs: 0, ...account, ...given.config });
    const client = createClient(config, countRequest);
    onTestFinished(() => client.close());
    client.library.client.defaults.adapter = adapterTo(client, { simulator, asked });
    return openApis({
      client,
      context: {
        config,
        tokens,
        countRequest,
        log: { debug: note, info: note, warn: note },
        signal: never,
        ...(signIn && { signIn }),
        ...(prompt && { prompt }),
        ...(signInPausedUntil !== undefined && { signInPausedUntil }),
      },
      makeApi: (credential, origin) =>
        createGarminApi({ client, credential, pace: async (_, send) => send(), origin }),
    });
  }

  /** Plays the person's browser; resolves with the address it ends at. */
  async function useBrowser(page: string): Promise<string> {
    const { pathname, search } = new URL(page);
    const answer = await fetch(`${simulator.origin}${pathname}${search}`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({
        username: account.email,
        password: account.password,
        _csrf: 'simulated-csrf-token',
      }),
    });
    return answer.headers.get('location') ?? 'nowhere';
  }

  /** What another program would have saved. */
  function files(kind: 'garmin_tokens' | 'oauth', region = domain): Record<string, JsonValue> {
    const issued = simulator.issueTokens({ region: region as 'garmin.cn' });
    if (kind === 'garmin_tokens') {
      const { access_token: di_token, refresh_token: di_refresh_token } = issued;
      return {
        garmin_tokens: {
          di_token,
          di_refresh_token,
          di_client_id: 'GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2',
        },
      };
    }
    const oauth1_token = {
      oauth_token: 'simulated-oauth1',
      oauth_token_secret: 'oauth1-secret-canary',
      domain: region,
      unknown: 'member-canary',
    };
    const expires_at = Math.floor(Date.now() / 1000) + 3600;
    const { access_token, refresh_token } = issued;
    return { oauth1_token, oauth2_token: { access_token, refresh_token, expires_at, scope: 'X' } };
  }

  const hosts = () => asked.filter(({ host }) => host.includes('garmin')).map(({ host }) => host);
  return { domain, simulator, asked, logged, hosts, open, useBrowser, files };
}

export type StartedRegion = Awaited<ReturnType<typeof startRegion>>;

/** Both regions, for `describe.each`. */
export const regions = [
  { isChina: true, domain: 'garmin.cn', other: 'garmin.com' },
  { isChina: false, domain: 'garmin.com', other: 'garmin.cn' },
] as const;

/** The code that is right. */
export const code = '424242';
/** A person signs in anew. */
export const ask: SignIn = { way: 'ask' };
/** What no message may hold. */
export const canaries =
  /password-canary|424242|ST-simulated|runner@example|oauth1-secret|member-canary|eyJ|key-canary|SESSION=/;

/** The error an opening ends with; nothing in it, in the log or in what the person is asked is a secret. */
export async function failureOf(
  region: StartedRegion,
  options: OpenOptions & { readonly questions?: readonly string[] },
): Promise<ConnectorError> {
  const error: unknown = await region.open(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!ConnectorError.is(error)) throw new Error('Expected a ConnectorError', { cause: error });
  const said: unknown[] = [...region.logged, ...(options.questions ?? [])];
  for (let at: unknown = error; at instanceof Error; at = at.cause) said.push(at.message, Object.entries(at));
  expect(JSON.stringify(said)).not.toMatch(canaries);
  return error;
}

/** The session that is saved. */
export function saved(tokens: ReturnType<typeof memoryTokens>): Record<string, unknown> {
  return (tokens.stored.get('session') ?? {}) as Record<string, unknown>;
}

/** Nothing that was asked names the other region, and nothing that was logged is a secret. */
export function expectAtHome(region: StartedRegion): void {
  // A name that is the same in both regions.
  const grant = 'https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket';
  const other = region.domain === 'garmin.cn' ? 'garmin.com' : 'garmin.cn';
  const all = region.asked.map((request) => request.all.replaceAll(grant, '')).join('\n');
  expect(all).not.toContain(other);
  expect(JSON.stringify(region.logged)).not.toMatch(canaries);
}
