import { isIPv4 } from 'node:net';
import type { FileConfig } from './file-schema.ts';
import {
  defaultHttp,
  defaultIngest,
  defaultKeepRunsDays,
  defaultMinFreeMb,
  type HttpConfig,
  type IngestConfig,
} from './host-config.ts';
import { refused, variables, type Environment } from './variables.ts';

/** True for addresses that nobody beyond this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function checkedKey(text: string | undefined, key: string): string | undefined {
  const { OTW_API_KEY: variable } = variables;
  if (text === undefined) return undefined;
  // Everybody knows the one in the manual.
  if (variable.parse(text) !== undefined && text !== variable.example) return text;
  throw refused(variable, { key, text, example: `${key}=${variable.example}` });
}

function httpConfig({ http = {} }: FileConfig, env: Environment, host: string): HttpConfig {
  const fromFile = typeof http.apiKey === 'string' ? http.apiKey : undefined;
  const apiKey = checkedKey(env.OTW_API_KEY, 'OTW_API_KEY') ?? checkedKey(fromFile, 'http.apiKey');
  return {
    requireKey: !isLoopback(host) || (env.OTW_REQUIRE_API_KEY ?? http.requireKey ?? defaultHttp.requireKey),
    ...(apiKey !== undefined && { apiKey }),
    allowedHosts: env.OTW_ALLOWED_HOSTS ?? http.allowedHosts ?? defaultHttp.allowedHosts,
    corsOrigins: env.OTW_CORS_ORIGINS ?? http.corsOrigins ?? defaultHttp.corsOrigins,
    trustedProxies: env.OTW_TRUSTED_PROXIES ?? http.trustedProxies ?? defaultHttp.trustedProxies,
    ingestPerMinute: env.OTW_INGEST_PER_MINUTE ?? http.ingestPerMinute ?? defaultHttp.ingestPerMinute,
  };
}

/** Who may ask what, what may be posted, and what is kept: environment, then file, then defaults. */
export function doorsOf(
  file: FileConfig = {},
  env: Environment,
  host: string,
): {
  readonly http: HttpConfig;
  readonly ingest: IngestConfig;
  readonly minFreeMb: number;
  readonly keepRunsDays: number;
} {
  return {
    http: httpConfig(file, env, host),
    ingest: {
      plugins: file.ingest?.plugins ?? defaultIngest.plugins,
      timeZones: env.OTW_INGEST_TIMEZONES ?? file.ingest?.timeZones ?? defaultIngest.timeZones,
    },
    minFreeMb: env.OTW_MIN_FREE_MB ?? file.minFreeMb ?? defaultMinFreeMb,
    keepRunsDays: env.OTW_KEEP_RUNS_DAYS ?? file.keepRunsDays ?? defaultKeepRunsDays,
  };
}
