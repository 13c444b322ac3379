import { join } from 'node:path';
import { defaultPolicySettings } from '@on-the-way/core';
import type { ConnectionConfig } from './host-config.ts';
import { defaultRequests } from './file-schema.ts';
import type { Environment } from './variables.ts';

/** Members whose value is undefined left out, so that the plugin's own defaults hold. */
function given(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

function pluginConfig(env: Environment): Record<string, unknown> {
  return given({
    email: env.GARMIN_EMAIL,
    password: env.GARMIN_PASSWORD,
    isChina: env.GARMIN_IS_CN,
    metrics: env.GARMIN_METRICS,
    requestTimeoutSeconds: env.CONNECTOR_REQUEST_TIMEOUT_SECONDS,
    apiOrigin: env.GARMIN_API_ORIGIN,
    ssoOrigin: env.GARMIN_SSO_ORIGIN ?? env.GARMIN_API_ORIGIN,
    authOrigin: env.GARMIN_AUTH_ORIGIN ?? env.GARMIN_API_ORIGIN,
    personalOrigin: env.GARMIN_PERSONAL_ORIGIN ?? env.GARMIN_API_ORIGIN,
    personalApiKey: env.GARMIN_PERSONAL_API_KEY,
    personalApiKeyExpiresOn: env.GARMIN_PERSONAL_API_KEY_EXPIRES,
    mfaCode: env.GARMIN_MFA_CODE,
    intraday: env.GARMIN_INTRADAY,
    // A stand-in on this machine needs no politeness.
    minRequestIntervalMs: env.GARMIN_API_ORIGIN === undefined ? undefined : 0,
  });
}

/** The connection that the predecessor's variables make when there is no configuration file. */
export function garminConnection(
  env: Environment,
  { demo, dataDir }: { readonly demo: boolean; readonly dataDir: string },
): ConnectionConfig {
  const standIn = demo || env.GARMIN_API_ORIGIN !== undefined;
  return {
    name: 'garmin',
    plugin: '@on-the-way/plugin-garmin',
    config: pluginConfig(env),
    intervalSeconds: env.CONNECTOR_INTERVAL_SECONDS ?? 3600,
    windowDays: env.GARMIN_FETCH_WINDOW_DAYS ?? 3,
    backfillDays: env.GARMIN_BACKFILL_DAYS ?? 10,
    timeZone: env.GARMIN_TIMEZONE ?? 'Asia/Shanghai',
    sink: env.API_BASE_URL === undefined ? 'postgres' : 'http',
    tokenDir: env.GARMIN_TOKEN_DIR ?? join(dataDir, 'tokens', 'garmin'),
    ...(env.CONNECTOR_VERSION !== undefined && { connectorVersion: env.CONNECTOR_VERSION }),
    policies: {
      ...defaultPolicySettings,
      attempts: env.CONNECTOR_RETRY_ATTEMPTS ?? defaultPolicySettings.attempts,
      firstRetryDelayMs: standIn ? 50 : defaultPolicySettings.firstRetryDelayMs,
    },
    ...(standIn ? {} : defaultRequests),
    ...given({
      requestsPerRun: env.CONNECTOR_REQUESTS_PER_RUN,
      requestsPerDay: env.CONNECTOR_REQUESTS_PER_DAY,
    }),
  };
}
