import { existsSync, readFileSync } from 'node:fs';
import { startSuitePostgres } from '@on-the-way/host/testing';
import { defineSubject, type StoredEvent, type Surface } from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';
import { startApiHost, type ApiHost } from './api-host.ts';

const stored = `select source_id as "sourceId", external_id as "externalId",
  to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "occurredAt",
  payload_json::text as payload from raw.raw_event`;

let started: Promise<ApiHost> | undefined;

/** On the Postgres of OTW_TEST_POSTGRES_URL, or on one that lasts as long as this process. */
async function start(): Promise<ApiHost> {
  const { OTW_TEST_POSTGRES_URL: given } = process.env;
  return startApiHost(given ?? (await startSuitePostgres()).url);
}

/** One host for all checks: each begins with its tables empty. */
function apiHost(): Promise<ApiHost> {
  return (started ??= start());
}

/** Ends the host and removes its database. */
export async function stopHost(): Promise<void> {
  await (await started)?.close();
  started = undefined;
}

// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);

/** A real host's API with a real Postgres behind it. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  hasOneZero: true,
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  async open() {
    const host = await apiHost();
    await host.query('truncate raw.raw_event, app.request_audit');
    return {
      config: { url: host.url },
      stored: () => host.query<StoredEvent>(stored),
    };
  },
  poison: (event) => ({ ...event, payload: String.raw`{"nul":"\u0000"}` }),
});
