import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { ConnectorError } from '@on-the-way/sdk';
import garminConnect from 'garmin-connect';
import { isLoopbackOrigin, originsOf, type GarminConfig, type Origins } from './config.ts';

/** Where the app's OAuth 1 consumer is published; the one address outside Garmin that is ever asked. */
export const consumerUrl = 'https://thegarth.s3.amazonaws.com/oauth_consumer.json';

const { GarminConnect } = garminConnect;

/** The library's own HTTP client. */
type Library = InstanceType<typeof GarminConnect>['client'];

// The largest real answer, a night of sleep, is under 1 MB.
const maxAnswerBytes = 64 * 1024 * 1024;

/** The library's HTTP client, stripped to what it does well: requests, the sign-in form, OAuth 1 signatures. */
export interface GarminClient {
  /** The library's client; its own bearer and error handling are off. */
  readonly library: Library;
  /** Where it may go. */
  readonly origins: Origins;
  /** How long one request may take. */
  readonly timeoutMs: number;
  /** {@link nativeHeaders}, with the configured version of the app. */
  readonly headers: Readonly<Record<string, string>>;
  /** Runs library calls that take no signal of their own under one. Not alongside itself. */
  withSignal<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Closes every socket. */
  close(): void;
}

/** Headers of the phone app; sent with data and token requests. */
const nativeHeaders: Readonly<Record<string, string>> = {
  'User-Agent': 'GCM-Android-5.23',
  'X-Garmin-User-Agent':
    'com.garmin.android.apps.connectmobile/5.23; ; Google/sdk_gphone64_arm64/google; Android/33; Dalvik/2.1.0',
  'X-Garmin-Paired-App-Version': '10861',
  'X-Garmin-Client-Platform': 'Android',
  'X-App-Ver': '10861',
  'X-Lang': 'en',
  'X-GCExperience': 'GC5',
  'Accept-Language': 'en-US,en;q=0.9',
};

function headersOf(appVersion: string | undefined): Readonly<Record<string, string>> {
  if (appVersion === undefined) return nativeHeaders;
  const entries = Object.entries(nativeHeaders);
  return Object.fromEntries(entries.map(([name, value]) => [name, value.replace('5.23', appVersion)]));
}

function guard(url: string, origins: Origins): { maxRedirects: number } {
  const { origin, pathname } = new URL(url);
  const { api, sso, auth, personal } = origins;
  const allowed = [api, sso, auth, personal];
  if (![...allowed, new URL(consumerUrl).origin].includes(origin)) {
    throw new ConnectorError('bad_data', `Expected a request to ${allowed.join(', ')}, got ${origin}`);
  }
  // Only the sign-in pages may redirect: everything else carries a bearer or a signature.
  return { maxRedirects: origin === sso && pathname.startsWith('/sso/') ? 5 : 0 };
}

function refuseForeignRedirect(options: Record<string, unknown>, origins: Origins): void {
  const target = typeof options['href'] === 'string' ? new URL(options['href']).origin : 'an unknown address';
  if (target !== origins.sso) {
    throw new ConnectorError(
      'bad_data',
      `Expected Garmin's sign-in to stay on ${origins.sso}, got sent to ${target}`,
    );
  }
}

function addGuard(
  library: Library,
  { origins, countRequest }: { readonly origins: Origins; readonly countRequest: () => void },
): GarminClient['withSignal'] {
  let current: AbortSignal | undefined;
  library.client.interceptors.request.use((request) => {
    const url = request.url ?? '';
    const limits = guard(url, origins);
    if (url !== consumerUrl) countRequest();
    const isLocal = isLoopbackOrigin(new URL(url).origin);
    const signal = request.signal ?? current;
    return Object.assign(request, limits, signal && { signal }, isLocal && { proxy: false });
  });
  return async (signal, work) => {
    current = signal;
    try {
      return await work();
    } finally {
      current = undefined;
    }
  };
}

/**
 * Makes the client of one session. Nothing is sent before the first request. `countRequest` is called
 * before every request to Garmin, also those the library makes by itself; what it throws comes through.
 */
export function createClient(config: GarminConfig, countRequest: () => void): GarminClient {
  const origins = originsOf(config);
  const timeoutMs = config.requestTimeoutSeconds * 1000;
  const httpAgent = new HttpAgent({ keepAlive: true });
  const httpsAgent = new HttpsAgent({ keepAlive: true });
  const { client: library } = new GarminConnect({ username: '', password: '' }, origins.domain);
  library.url.GC_API = origins.api;
  library.url.GARMIN_SSO_ORIGIN = origins.sso;
  // The library's interceptors hang for ever after one failed refresh and print bodies to the console.
  library.client.interceptors.request.clear();
  library.client.interceptors.response.clear();
  Object.assign(library.client.defaults, {
    timeout: timeoutMs,
    maxContentLength: maxAnswerBytes,
    httpAgent,
    httpsAgent,
    beforeRedirect: (options: Record<string, unknown>) => refuseForeignRedirect(options, origins),
  });
  const withSignal = addGuard(library, { origins, countRequest });
  const close = () => {
    httpAgent.destroy();
    httpsAgent.destroy();
  };
  return { library, origins, timeoutMs, headers: headersOf(config.appVersion), withSignal, close };
}
