import {
  isCheckpoint,
  isRawJson,
  type CursorRecord,
  type JsonValue,
  type LoginContext,
  type Tokens,
} from '@on-the-way/sdk';
import {
  startStravaSimulator,
  type StravaSimulator,
  type StravaSimulatorOptions,
} from '@on-the-way/strava-simulator';
import { onTestFinished } from 'vitest';
import connector from '../src/index.ts';

/** Tokens in memory, as the host gives them: one change of a field at a time. */
export function memoryTokens(fields: Readonly<Record<string, JsonValue>> = {}): Tokens & {
  readonly saved: Map<string, JsonValue>;
} {
  const saved = new Map(Object.entries(fields));
  let last: Promise<unknown> = Promise.resolve();
  const save = async (field: string, value: JsonValue): Promise<void> => void saved.set(field, value);
  return {
    saved,
    save,
    load: async (field) => saved.get(field),
    update(field, change) {
      const updated = last.then(async () => {
        const next = await change(saved.get(field));
        if (next !== undefined) await save(field, next);
        return saved.get(field);
      });
      last = updated.catch(() => undefined);
      return updated;
    },
  };
}

/** A simulator that ends with the test. */
export async function simulator(options: StravaSimulatorOptions = {}): Promise<StravaSimulator> {
  const started = await startStravaSimulator(options);
  onTestFinished(() => started.close());
  return started;
}

/** A configuration for the simulator's first athlete. */
export function configFor(strava: StravaSimulator, more: Readonly<Record<string, JsonValue>> = {}) {
  return {
    clientId: strava.clientId,
    clientSecret: strava.clientSecret,
    refreshToken: strava.accounts[0].refreshToken(),
    apiOrigin: strava.origin,
    requestTimeoutSeconds: 5,
    ...more,
  };
}

/** What a test may choose of a login. */
export type Wanted = Partial<Omit<LoginContext<unknown>, 'config' | 'log'>> & {
  readonly config?: Readonly<Record<string, JsonValue>>;
};

export const log = { debug() {}, info() {}, warn() {} };

/** Logs in as the host does. */
export async function open(strava: StravaSimulator, { config = {}, ...rest }: Wanted = {}) {
  const session = await connector.login({
    config: connector.config.parse(configFor(strava, config)),
    tokens: memoryTokens(),
    countRequest() {},
    signal: new AbortController().signal,
    log,
    ...rest,
  });
  onTestFinished(() => connector.logout?.({ session }));
  return session;
}

/** One fetch of the activities: what it yielded until it ended or failed. */
export interface Fetched {
  readonly records: CursorRecord[];
  readonly cursors: JsonValue[];
  readonly error?: unknown;
}

/** Fetches the activities from a cursor on. */
export async function fetchActivities(
  session: unknown,
  cursor?: JsonValue,
  signal = new AbortController().signal,
): Promise<Fetched> {
  const records: CursorRecord[] = [];
  const cursors: JsonValue[] = [];
  try {
    for await (const said of connector.fetchSince({ dataset: 'activities', session, cursor, signal, log })) {
      if (isCheckpoint(said)) cursors.push(said.cursor);
      else records.push(said);
    }
  } catch (error) {
    return { records, cursors, error };
  }
  return { records, cursors };
}

/** Text of a record as it is stored. */
export function textOf({ data }: CursorRecord): string {
  return isRawJson(data) ? data.rawJson : JSON.stringify(data);
}
