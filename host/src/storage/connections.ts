import type { Failure, RunSummary } from '@on-the-way/core';
import type { DatasetInfo, Day } from '@on-the-way/sdk';
import { prepared, type Database } from './database.ts';
import { underFence, type Fence } from './fence.ts';

/** A connection's health as it is reported. */
export interface ConnectionHealth {
  readonly connection: string;
  readonly lastRunAt: Date | null;
  readonly lastStatus: 'never' | 'ok' | 'error';
  readonly successCount: number;
  readonly failureCount: number;
  readonly lastErrorCode: string | null;
  readonly lastErrorMessage: string | null;
}

/** What is remembered of a connection between runs. */
export interface ConnectionState {
  /** First day wanted; days from here on without an outcome are gaps. */
  readonly backfillFrom: Day | null;
  /** The source asked not to be asked before this. */
  readonly notBefore: Date | null;
  /** What the connector could read when it last logged in. */
  readonly datasets: readonly DatasetInfo[] | null;
  /** What the connector's `lastChange` said before the last run that went through. */
  readonly lastChange: string | null;
  /** When that run began. */
  readonly lastPassAt: Date | null;
  /** When a person last signed in. */
  readonly signedInAt: Date | null;
  /** Since when no run of it begins, by a person's wish; null while runs may begin. */
  readonly pausedAt: Date | null;
  /** The source refused a sign-in and gets no other one before this. */
  readonly loginNotBefore: Date | null;
  /** When the next run is due, on whichever host; null while nothing is planned. */
  readonly nextRunAt: Date | null;
  /** It was due, and a run since then has put it off. */
  readonly isPutOff: boolean;
  /** The host that has it, over all hosts; null where none has. */
  readonly hostId: string | null;
}

/** What a run writes of its connection. Each throws Fenced, and writes nothing, once another host has the connection. */
type FencedConnectionStore = Pick<ConnectionStore, 'wantFrom' | 'rememberConnector' | 'pause'>;

/** Health and state of connections, one row each. */
export interface ConnectionStore {
  /** The same for a run. */
  under(fence: Fence): FencedConnectionStore;
  /** Makes sure that each has its rows; called at start. */
  ensure(connections: readonly string[]): Promise<void>;
  health(connections: readonly string[]): Promise<readonly ConnectionHealth[]>;
  state(connection: string): Promise<ConnectionState>;
  /** The same of many, by their names; of those alone that have a row. */
  states(connections: readonly string[]): Promise<ReadonlyMap<string, ConnectionState>>;
  /** Moves the first day wanted back to `day`, never forward; resolves with the one that holds. */
  wantFrom(connection: string, day: Day): Promise<Day>;
  /** Keeps what a connector said of itself when it logged in. */
  rememberConnector(
    connection: string,
    connector: { readonly datasets: readonly DatasetInfo[]; readonly accountRef: string },
  ): Promise<void>;
  /** Remembers a run of everything that went through, so that the next can be skipped. */
  rememberPass(
    connection: string,
    pass: { readonly change: string | null; readonly at: number },
  ): Promise<void>;
  /**
   * Counts a finished run; resolves with how long the source is left alone, in milliseconds, if it is. A
   * refused sign-in asks for no such pause.
   */
  finish(summary: RunSummary): Promise<number | undefined>;
  /** Keeps a pause the source asked for outside of a run; resolves with how long it is, in milliseconds. */
  pause(connection: string, at: number, error: Failure): Promise<number | undefined>;
  /**
   * Keeps runs of the connection from beginning until it is set back, over restarts and on every host; resolves
   * with since when, which a second pause does not move. Not to be mixed up with `pause`, the source's wish.
   */
  setPaused(connection: string, paused: boolean): Promise<Date | null>;
  /** Adds requests made outside of runs on a day of the connection's time zone. */
  countRequests(connection: string, day: Day, requests: number): Promise<void>;
  /** Requests made outside of runs on the day; of the newest day only, 0 for others. */
  requestsBesideRuns(connection: string, day: Day): Promise<number>;
}

// Where a source says "too many requests" and not for how long: longer each time, in milliseconds.
const shortestPauseMs = 30 * 60_000;
const longestPauseMs = 240 * 60_000;

const unknown: ConnectionState = {
  backfillFrom: null,
  notBefore: null,
  datasets: null,
  lastChange: null,
  lastPassAt: null,
  signedInAt: null,
  pausedAt: null,
  loginNotBefore: null,
  nextRunAt: null,
  isPutOff: false,
  hostId: null,
};

/** A job may wait a minute for a host to begin it (due-runs.ts), and is due all the same. */
const statesSql = `
  select state.connection, backfill_from::text as "backfillFrom", not_before as "notBefore", datasets,
    last_change as "lastChange", last_pass_at as "lastPassAt", signed_in_at as "signedInAt", paused_at as "pausedAt",
    login_not_before as "loginNotBefore", next_run_at as "nextRunAt",
    coalesce(next_run_at > now() + interval '1 minute', false) as "isPutOff", claim.host_id as "hostId"
  from app.connection_state as state left join app.connection_claim as claim using (connection)`;

async function readStates(
  database: Database,
  connections: readonly string[],
): Promise<ReadonlyMap<string, ConnectionState>> {
  const [first] = connections;
  // Each run reads one; of many it is one query whatever their number.
  const [where, value] =
    connections.length === 1
      ? ['state.connection = ?', first]
      : ['state.connection = any(?)', [...connections]];
  const { rows } = await prepared<{ readonly connection: string } & ConnectionState>(
    database,
    `${statesSql} where ${where}`,
    [value],
  );
  return new Map(rows.map(({ connection, ...state }) => [connection, state]));
}

const manyRows = 1_000;

async function ensureRows(database: Database, names: readonly string[]): Promise<void> {
  for (const table of ['app.connector_health', 'app.connection_state']) {
    const { rowCount } = await database.raw<{ rowCount: number }>(
      `insert into ${table} (connection) select unnest(?::text[]) on conflict (connection) do nothing`,
      [[...names]],
    );
    // Statements of each run are planned once, and it may take a minute before Postgres sees by itself how many there are.
    if (rowCount > manyRows) await database.raw(`analyze ${table}`);
  }
}

/** Every slice that was asked for has an answer; what the budget left over is not wrong, only not yet there. */
function wentWell({ status, error, datasets }: RunSummary): boolean {
  if (status === 'succeeded') return true;
  const bad = Object.values(datasets).some(
    ({ failed, conflicts, setAside }) => failed + conflicts + setAside > 0,
  );
  return error?.code === 'budget_spent' && !bad;
}

/** What a run that did not go well reports as its reason. */
function reasonOf(summary: RunSummary, clean: (text: string) => string) {
  if (wentWell(summary)) return { code: null, message: null };
  if (summary.error && summary.error.code !== 'budget_spent')
    return { code: summary.error.code, message: clean(summary.error.message) };
  const bad = Object.entries(summary.datasets).filter(
    ([, { failed, conflicts, setAside }]) => failed + conflicts + setAside > 0,
  );
  const named = bad.map(
    ([name, { failed, conflicts, setAside }]) =>
      `${name} ${failed} failed, ${conflicts} conflicts${setAside > 0 ? `, ${setAside} set aside` : ''}`,
  );
  return { code: 'slices_failed', message: `Days that failed are asked for again: ${named.join('; ')}` };
}

async function countRun(
  database: Database,
  summary: RunSummary,
  clean: (text: string) => string,
): Promise<void> {
  const ok = wentWell(summary);
  const reason = reasonOf(summary, clean);
  await prepared(
    database,
    `update app.connector_health set last_run_at = ?::timestamptz, last_status = ?, success_count = success_count + ?,
       failure_count = failure_count + ?, last_error_code = ?, last_error_message = ?, updated_at = now()
     where connection = ?`,
    [
      new Date(summary.startedAt).toISOString(),
      ok ? 'ok' : 'error',
      ok ? 1 : 0,
      ok ? 0 : 1,
      reason.code,
      reason.message,
      summary.connection,
    ],
  );
}

/** Keeps until when the source wants to be left alone. Any other end of a run forgets how long pauses were. */
async function keepPause(
  database: Database,
  { connection, finishedAt, error }: Pick<RunSummary, 'connection' | 'finishedAt' | 'error'>,
): Promise<number | undefined> {
  // Nothing was learned of how the source takes questions.
  if (error?.refusedSignIn === true) return undefined;
  if (error?.code !== 'rate_limited') {
    await prepared(
      database,
      `update app.connection_state set not_before = null, pause_ms = null
       where connection = ? and (not_before is not null or pause_ms is not null)`,
      [connection],
    );
    return undefined;
  }
  const stated = error.retryAfterMs ?? null;
  const { rows } = await database.raw<{ rows: { pauseMs: string }[] }>(
    `with paused as (
       select coalesce(?::bigint, least(coalesce(pause_ms * 2, ?), ?)) as ms, pause_ms as before
       from app.connection_state where connection = ? for update)
     update app.connection_state set not_before = ?::timestamptz + paused.ms * interval '1 millisecond',
       pause_ms = case when ?::bigint is null then paused.ms else paused.before end
     from paused where connection = ? returning paused.ms as "pauseMs"`,
    [
      stated,
      shortestPauseMs,
      longestPauseMs,
      connection,
      new Date(finishedAt).toISOString(),
      stated,
      connection,
    ] as string[],
  );
  return Number(rows[0]?.pauseMs ?? stated ?? shortestPauseMs);
}

async function countRequests(
  database: Database,
  [connection, day, requests]: Parameters<ConnectionStore['countRequests']>,
): Promise<void> {
  await database.raw(
    `insert into app.connection_state as state (connection, other_requests_on, other_requests) values (?, ?::date, ?)
     on conflict (connection) do update set other_requests_on = excluded.other_requests_on,
       other_requests = excluded.other_requests
         + case when state.other_requests_on = excluded.other_requests_on then state.other_requests else 0 end`,
    [connection, day, requests] as string[],
  );
}

async function requestsBesideRuns(database: Database, connection: string, day: Day): Promise<number> {
  const { rows } = await database.raw<{ rows: { made: number }[] }>(
    `select other_requests as made from app.connection_state where connection = ? and other_requests_on = ?::date`,
    [connection, day],
  );
  return rows[0]?.made ?? 0;
}

async function setPaused(database: Database, connection: string, paused: boolean): Promise<Date | null> {
  await ensureRows(database, [connection]);
  const { rows } = await database.raw<{ rows: { at: Date | null }[] }>(
    `update app.connection_state set paused_at = case when ? then coalesce(paused_at, now()) end, updated_at = now()
     where connection = ? returning paused_at as at`,
    [paused, connection],
  );
  return rows[0]?.at ?? null;
}

/** The store; `clean` takes secrets out of error messages. */
export function createConnectionStore(database: Database, clean: (text: string) => string): ConnectionStore {
  return {
    under(fence) {
      const store = <T>(work: (store: ConnectionStore) => Promise<T>): Promise<T> =>
        underFence(database, fence, (transaction) => work(createConnectionStore(transaction, clean)));
      return {
        wantFrom: (...args) => store((held) => held.wantFrom(...args)),
        rememberConnector: (...args) => store((held) => held.rememberConnector(...args)),
        pause: (...args) => store((held) => held.pause(...args)),
      };
    },
    ensure: (names) => ensureRows(database, names),
    async health(names) {
      const { rows } = await database.raw<{ rows: ConnectionHealth[] }>(
        `select connection, last_run_at as "lastRunAt", last_status as "lastStatus",
           success_count::int as "successCount", failure_count::int as "failureCount",
           last_error_code as "lastErrorCode", last_error_message as "lastErrorMessage"
         from app.connector_health where connection = any(?) order by connection`,
        [[...names]],
      );
      return rows;
    },
    state: async (connection) => (await readStates(database, [connection])).get(connection) ?? unknown,
    states: (connections) => readStates(database, connections),
    async wantFrom(connection, day) {
      await ensureRows(database, [connection]);
      const { rows } = await database.raw<{ rows: { day: Day }[] }>(
        `update app.connection_state set backfill_from = least(backfill_from, ?::date), updated_at = now()
         where connection = ? returning backfill_from::text as day`,
        [day, connection],
      );
      return rows[0]?.day ?? day;
    },
    async rememberConnector(connection, { datasets, accountRef }) {
      await database.raw(
        `update app.connection_state set datasets = ?::jsonb, account_ref = ? where connection = ?`,
        [JSON.stringify(datasets), accountRef, connection],
      );
    },
    async rememberPass(connection, { change, at }) {
      await prepared(
        database,
        `update app.connection_state set last_change = ?, last_pass_at = ?::timestamptz where connection = ?`,
        [change, new Date(at).toISOString(), connection],
      );
    },
    async finish(summary) {
      // A run that was told to stop, or asked for what is not there, says nothing about the source.
      if (summary.status === 'interrupted' || summary.error?.code === 'usage') return undefined;
      await countRun(database, summary, clean);
      return keepPause(database, summary);
    },
    pause: (connection, at, error) => keepPause(database, { connection, finishedAt: at, error }),
    setPaused: (connection, paused) => setPaused(database, connection, paused),
    countRequests: (...counted) => countRequests(database, counted),
    requestsBesideRuns: (connection, day) => requestsBesideRuns(database, connection, day),
  };
}
