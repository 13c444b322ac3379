import type { z } from 'zod';
import { isCheckpoint, type Checkpoint } from './checkpoint.ts';
import { ConnectorError } from './errors.ts';
import type { IngestContracts } from './ingest.ts';
import { isRawJson, type JsonValue, type RawJson } from './json.ts';
import type { Log } from './log.ts';
import type { Day, Window } from './windows.ts';

/** Secrets a connector keeps between runs. Each field is stored by itself, encrypted by the host where it can. */
export interface Tokens {
  /** The field's value, or undefined if it was never saved. */
  load(field: string): Promise<JsonValue | undefined>;
  /**
   * Resolves when the value is durable. Await it before the first use of a rotated token. Null forgets the field.
   * A field whose name begins with `kept_` outlives `otw logout`: what must not be forgotten with a session, e.g. that
   * a sign-in was used up.
   */
  save(field: string, value: JsonValue): Promise<void>;
  /**
   * Replaces a field while nobody else can: no other call here, no command, no other host. `change` is given
   * what is saved now, which may be newer than what this process loaded, and resolves with what to save;
   * undefined leaves it as it is. Resolves with what is saved then. Renew tokens that rotate in here, and
   * nowhere else. Fields of one connection wait for each other; never call it within itself.
   */
  update(
    field: string,
    change: (current: JsonValue | undefined) => Promise<JsonValue | undefined>,
  ): Promise<JsonValue | undefined>;
}

/**
 * How a person signs in anew (`otw login`): `ask` for whatever is needed, with a `code` known already
 * where the source sent one; `import` tokens of another program, by the name of the file each was in,
 * without `.json`; or hand over the `ticket` their own browser was given.
 */
export type SignIn =
  | {
      /** The person is asked for whatever is needed. */
      readonly way: 'ask';
      /** The code that the source sent, where it is known already. */
      readonly code?: string;
    }
  | {
      /** Tokens of another program are taken over. */
      readonly way: 'import';
      /** What the files hold, by name without `.json`. */
      readonly files: Readonly<Record<string, JsonValue>>;
    }
  | {
      /** The person signed in with their own browser. */
      readonly way: 'ticket';
      /** What the browser was given; asked for where it is left out. */
      readonly ticket?: string;
    };

/** An answer of the source, for `otw record`; nothing that names a person may be left in it. */
export interface RecordedAnswer {
  /** The dataset it was asked for, where it was for one. */
  readonly dataset?: string;
  /** Of the request: the path without its query. */
  readonly path: string;
  /** Of the request. */
  readonly query: Readonly<Record<string, string>>;
  /** HTTP status. */
  readonly status: number;
  /** The body; null where it was empty. */
  readonly body: JsonValue;
  /** How many values were replaced in it, by their kind, e.g. `{ name: 2, place: 1 }`. */
  readonly replaced?: Readonly<Record<string, number>>;
}

/** Asks the person at the terminal, and resolves with the answer. */
export type Prompt = (question: {
  /** What the person reads. */
  readonly message: string;
  /** True: what is typed is not shown. */
  readonly hidden?: boolean;
}) => Promise<string>;

/** What `login` is given. */
export interface LoginContext<Config> {
  /** The connector's configuration, parsed by its schema. */
  readonly config: Config;
  /** What earlier runs saved. */
  readonly tokens: Tokens;
  /** Present only when a person is there to answer. Without it, throw `needs_user`. */
  readonly prompt?: Prompt;
  /** Present when a person wants to sign in anew, whatever is saved. A run never has it. */
  readonly signIn?: SignIn;
  /**
   * Milliseconds since 1970. Present while the source wants no sign-in: throw `rate_limited` with
   * `refusedSignIn` instead of sending a password or a code before that time. Renewing tokens is no sign-in.
   */
  readonly signInPausedUntil?: number;
  /**
   * Call it before each request to the source: the host counts them and keeps to the budget of the run and
   * of the day. What it throws when that is spent must pass through as it is.
   */
  countRequest(): void;
  /** Present for `otw record`: call it with each answer, with everything that names a person taken out. */
  readonly record?: (answer: RecordedAnswer) => void;
  /** Where to tell what happens. */
  readonly log: Log;
  /** Aborted when the run is given up. */
  readonly signal: AbortSignal;
}

/** One thing the source said. */
export interface ConnectorRecord<Data = JsonValue | RawJson> {
  /** The calendar day it belongs to; must lie in the window that was asked for. */
  readonly day: Day;
  /** The source's answer. An answer that is not an object is stored as `{ "value": answer }`. */
  readonly data: Data;
  /** How it was asked, for people who look into the payload; at most 128 characters. */
  readonly method?: string;
  /** What the source left out of it, for the ledger, e.g. `offloaded`; at most 128 characters. */
  readonly note?: string;
}

/** One thing the source said, of a cursor dataset. */
export interface CursorRecord<Data = JsonValue | RawJson> {
  /**
   * What the source calls it, the same whenever it is read: 1 to 64 characters without control characters and without
   * `::`. The same key with other data is a new fact and stored beside the old one.
   */
  readonly key: string;
  /** When it happened, RFC 3339 with offset. Its day in the connection's zone is the record's, unless `day` is given. */
  readonly occurredAt?: string;
  /**
   * The calendar day it belongs to. With neither this nor `occurredAt` it is the day of reading, and a record that is
   * read again on another day is stored again.
   */
  readonly day?: Day;
  /** The source's answer. An answer that is not an object is stored as `{ "value": answer }`. */
  readonly data: Data;
  /** How it was asked, for people who look into the payload; at most 128 characters. */
  readonly method?: string;
  /** What the source left out of it, for the ledger, e.g. `offloaded`; at most 128 characters. */
  readonly note?: string;
}

/** What `fetch` of a dataset is given. */
export interface FetchContext<Session> {
  /** What `login` resolved with. */
  readonly session: Session;
  /** The days asked for. One day for `day` and `snapshot`, up to `spanDays` for `range`. */
  readonly window: Window;
  /** Aborted when the answer is no longer wanted; stop within a second. */
  readonly signal: AbortSignal;
  /** Where to tell what happens. */
  readonly log: Log;
}

/** What `fetch` of a cursor dataset is given. */
export interface CursorContext<Session> {
  /** What `login` resolved with. */
  readonly session: Session;
  /** The last checkpoint behind which everything is stored, as it was yielded; undefined at the very first fetch. */
  readonly cursor: JsonValue | undefined;
  /** Aborted when the answer is no longer wanted; stop within a second. */
  readonly signal: AbortSignal;
  /** Where to tell what happens. */
  readonly log: Log;
}

/** How a dataset is asked for. */
export type Granularity =
  /** One request a day. */
  | 'day'
  /** One request for several days, at most `spanDays`. */
  | 'range'
  /** The state of now, dated today; the past cannot be asked for. */
  | 'snapshot'
  /** Everything since the last time, from a cursor that the source gives. */
  | 'cursor';

/** What the host knows of a dataset. */
export interface DatasetInfo {
  /** The stream's name; the `metric_type` of what is stored. */
  readonly name: string;
  /** How it is asked for. */
  readonly granularity: Granularity;
  /** Longest window of one `fetch`, in days. 1 unless the granularity is `range`. */
  readonly spanDays: number;
  /** How many days a day may still change after it began; after that its outcome is final. */
  readonly settleDays: number;
  /** One sentence for `otw datasets`. */
  readonly description: string;
  /** True: a day's mark (see `dayMarks`) tells whether it is worth asking again. */
  readonly watched?: boolean;
  /** Why nothing can be asked as things are, e.g. that no credential covers it. */
  readonly notSupported?: string;
}

type DataOf<Schema> = Schema extends z.ZodType ? z.input<Schema> | RawJson : JsonValue | RawJson;

/** A dataset of days as its author writes it. */
export interface DatasetDefinition<Session, Schema = undefined> {
  /** How it is asked for. */
  readonly granularity: Exclude<Granularity, 'cursor'>;
  /** Longest window of one `fetch`, in days; required for `range`, 1 to 366. */
  readonly spanDays?: number;
  /** How many days a day may still change after it began. */
  readonly settleDays: number;
  /** One sentence for `otw datasets`. */
  readonly description: string;
  /** True: while a day's mark (see `dayMarks`) stays the same, its answer need not be asked for again. */
  readonly watched?: boolean;
  /**
   * Why nothing can be asked as things are, e.g. that no credential covers it. Its days are recorded as
   * `not_supported` with this reason, without a fetch, and asked for once it is gone.
   */
  readonly notSupported?: string;
  /** What a record's data must be. Checked at compile time here and at run time by the host. */
  readonly schema?: Schema;
  /**
   * Answers for the window: yields a record for everything the source has there, nothing where it has
   * nothing. A closed window asked twice gives the same records, and a window asked in pieces gives
   * the records of the whole. May be called again for the same window after `transient`, and alongside
   * other fetches of the same session.
   */
  fetch(context: FetchContext<Session>): AsyncIterable<ConnectorRecord<DataOf<Schema>>>;
}

/** A cursor dataset as its author writes it: for sources that tell what came since the last time. */
export interface CursorDatasetDefinition<Session, Schema = undefined> {
  /** From a cursor on. */
  readonly granularity: 'cursor';
  /** One sentence for `otw datasets`. */
  readonly description: string;
  /**
   * Why nothing can be asked as things are, e.g. that no credential covers it. Recorded as `not_supported` with this
   * reason, without a fetch, and asked for once it is gone.
   */
  readonly notSupported?: string;
  /** What a record's data must be. Checked at compile time here and at run time by the host. */
  readonly schema?: Schema;
  /**
   * Yields what came since `cursor`, and `checkpoint(next)` after records behind which reading can go on at `next`. A
   * checkpoint is kept once every record before it is stored; each costs a write, so one a page, not one a record.
   * Called once a run, and again from the last checkpoint after `transient`. Records may come more than once.
   */
  fetch(context: CursorContext<Session>): AsyncIterable<CursorRecord<DataOf<Schema>> | Checkpoint>;
}

type DatasetTable<Session, Schemas> = {
  readonly [Name in keyof Schemas]:
    DatasetDefinition<Session, Schemas[Name]> | CursorDatasetDefinition<Session, Schemas[Name]>;
};

/** What an author writes; see {@link defineConnector}. */
export interface ConnectorDefinition<Schema extends z.ZodType, Session, Schemas> {
  /** Short name, lower case; the first part of every external_id. */
  readonly name: string;
  /** Semantic version of the plugin, at most 32 characters. */
  readonly version: string;
  /** One sentence for `otw plugin list`. */
  readonly description: string;
  /** The `source_id` of every row. */
  readonly source: string;
  /** What payloads call the service (`payload.connector`). Default: `name`. */
  readonly service?: string;
  /** The configuration's schema; mark secrets with {@link secret}. */
  readonly config: Schema;
  /**
   * Called once a run, before any fetch. Throw `needs_user` when a person is needed, `auth` when the
   * credentials are refused. Never logs in over and over: the host does not call it twice in a run.
   */
  login(context: LoginContext<z.output<Schema>>): Promise<Session>;
  /** Whose data this is: an e-mail address or id that does not change. The host stores only a hash of it. */
  account(session: Session): string;
  /** One cheap read that proves the session is good. Called by `otw check`. */
  check?(context: Pick<FetchContext<Session>, 'session' | 'signal'>): Promise<void>;
  /**
   * One cheap question that spares a run: a text that differs once the source may have anything new, e.g.
   * the time of the last device sync; undefined when that is not known. While it stays the same, scheduled
   * runs are skipped but for one a day.
   */
  lastChange?(context: Pick<FetchContext<Session>, 'session' | 'signal'>): Promise<string | undefined>;
  /**
   * One cheap question that spares many: for each day of the window a text that differs once the day's
   * answers may have changed. Days left out are asked for. At most once a run, for up to 28 days.
   */
  dayMarks?(
    context: Pick<FetchContext<Session>, 'session' | 'window' | 'signal'>,
  ): Promise<Readonly<Record<Day, string>>>;
  /** The datasets, or a function of the session for sources that only know after login. */
  readonly datasets:
    DatasetTable<Session, Schemas> | ((session: Session) => Promise<DatasetTable<Session, Schemas>>);
  /** Called once after the last fetch, also when the run failed. */
  logout?(context: Pick<FetchContext<Session>, 'session'>): Promise<void>;
  /**
   * `run`: each run gets a process that no other run has used. For plugins that keep things of an account in their
   * modules. Default: a process serves the runs of several accounts, one after the other.
   */
  readonly isolation?: 'run';
  /**
   * What others may post to the host, by its name in `POST /v1/ingest/<name>`. Read in the host's own process,
   * and only of plugins the operator names for it.
   */
  readonly ingest?: IngestContracts;
}

/** What the host asks of a connector's dataset. */
export interface FetchRequest extends FetchContext<unknown> {
  /** Name of the dataset. */
  readonly dataset: string;
}

/** What the host asks of a connector's cursor dataset. */
export interface CursorRequest extends CursorContext<unknown> {
  /** Name of the dataset. */
  readonly dataset: string;
}

/** A connector as the host sees it: no type parameters, three verbs. */
export interface Connector {
  /** Tells a connector from a sink at run time. */
  readonly kind: 'connector';
  /** Short name, lower case. */
  readonly name: string;
  /** Semantic version of the plugin. */
  readonly version: string;
  /** One sentence for `otw plugin list`. */
  readonly description: string;
  /** The `source_id` of every row. */
  readonly source: string;
  /** The `payload.connector` of every row. */
  readonly service: string;
  /** The configuration's schema. */
  readonly config: z.ZodType;
  /** Resolves with the session the other verbs want. */
  login(context: LoginContext<unknown>): Promise<unknown>;
  /** Whose data the session reads. */
  account(session: unknown): string;
  /** Present if the author wrote one. */
  check?(context: Pick<FetchContext<unknown>, 'session' | 'signal'>): Promise<void>;
  /** Present if the author wrote one. */
  lastChange?(context: Pick<FetchContext<unknown>, 'session' | 'signal'>): Promise<string | undefined>;
  /** Present if the author wrote one. */
  dayMarks?(
    context: Pick<FetchContext<unknown>, 'session' | 'window' | 'signal'>,
  ): Promise<Readonly<Record<Day, string>>>;
  /** What can be read. */
  listDatasets(session: unknown): Promise<readonly DatasetInfo[]>;
  /** Answers for a window. Throws ConnectorError `config` for a dataset of days that is not there. */
  fetch(request: FetchRequest): AsyncIterable<ConnectorRecord>;
  /** Answers with what came since a cursor. Throws ConnectorError `config` for a cursor dataset that is not there. */
  fetchSince(request: CursorRequest): AsyncIterable<CursorRecord | Checkpoint>;
  /** Present if the author wrote one. */
  logout?(context: Pick<FetchContext<unknown>, 'session'>): Promise<void>;
  /** Present if the author wrote one. */
  readonly isolation?: 'run';
  /** What others may post. */
  readonly ingest?: IngestContracts;
}

type AnyDataset =
  DatasetDefinition<unknown, z.ZodType | undefined> | CursorDatasetDefinition<unknown, z.ZodType | undefined>;
type AnyTable = Readonly<Record<string, AnyDataset>>;
type AnyDefinition = Omit<ConnectorDefinition<z.ZodType, unknown, unknown>, 'datasets'> & {
  readonly datasets: AnyTable | ((session: unknown) => Promise<AnyTable>);
};

function infoOf(name: string, dataset: AnyDataset): DatasetInfo {
  const { description, notSupported } = dataset;
  const about = { name, description, ...(notSupported !== undefined && { notSupported }) };
  // Read each run from where the last one ended: no day of it is asked for twice.
  if (dataset.granularity === 'cursor') {
    return { ...about, granularity: 'cursor', spanDays: 1, settleDays: 0 };
  }
  const { granularity, settleDays, watched } = dataset;
  const spanDays = granularity === 'range' ? (dataset.spanDays ?? 0) : 1;
  if (!Number.isInteger(spanDays) || spanDays < 1 || spanDays > 366) {
    throw new ConnectorError(
      'config',
      `Expected spanDays of dataset ${name} to be 1 to 366, got ${dataset.spanDays}: give the longest window the source accepts`,
    );
  }
  return { ...about, granularity, spanDays, settleDays, ...(watched === true && { watched }) };
}

/** Refuses data that does not fit the dataset's schema. Data given as raw JSON is not looked into. */
function checkData(name: string, { schema }: AnyDataset, record: ConnectorRecord | CursorRecord): void {
  if (!schema || isRawJson(record.data)) return;
  const result = schema.safeParse(record.data);
  if (result.success) return;
  const where = result.error.issues.map((issue) => issue.path.join('.') || 'data').join(', ');
  const on = record.day === undefined ? '' : ` on ${record.day}`;
  throw new ConnectorError(
    'bad_data',
    `Expected data of ${name}${on} to fit its schema, but ${where} does not`,
  );
}

async function* checked<Said extends ConnectorRecord | CursorRecord | Checkpoint>(
  name: string,
  dataset: AnyDataset,
  answer: AsyncIterable<unknown>,
): AsyncGenerator<Said> {
  for await (const said of answer) {
    if (!isCheckpoint(said)) checkData(name, dataset, said as ConnectorRecord | CursorRecord);
    yield said as Said;
  }
}

/**
 * Makes a connector plugin. Export the result as the module's default.
 *
 * Types come by inference: `config` gives `login` its configuration, what `login` resolves with is the
 * session of every `fetch`, and a dataset's `schema` is what its records must hold.
 */
export function defineConnector<Schema extends z.ZodType, Session, Schemas>(
  definition: ConnectorDefinition<Schema, Session, Schemas>,
): Connector {
  // The one cast: inside, sessions and configurations are whatever login made and the schema parsed.
  const author = definition as unknown as AnyDefinition;
  const tableOf = async (session: unknown): Promise<AnyTable> =>
    typeof author.datasets === 'function' ? author.datasets(session) : author.datasets;
  const { name, version, description, source, service = name, config } = author;
  const datasetOf = async (session: unknown, wanted: string): Promise<AnyDataset> => {
    const table = await tableOf(session);
    const dataset = Object.hasOwn(table, wanted) ? table[wanted] : undefined;
    if (dataset) return dataset;
    const known = Object.keys(table).join(', ');
    throw new ConnectorError('config', `Expected a dataset of ${name} (${known}), got ${wanted}`);
  };
  const unfit = (wanted: string, kind: string): ConnectorError =>
    new ConnectorError('config', `Expected a dataset ${kind} of ${name}, but ${wanted} is none`);
  return Object.freeze({
    kind: 'connector',
    name,
    version,
    description,
    source,
    service,
    config,
    login: async (context: LoginContext<unknown>) => author.login(context),
    account: (session: unknown) => author.account(session),
    ...(author.check && { check: author.check.bind(author) }),
    ...(author.lastChange && { lastChange: author.lastChange.bind(author) }),
    ...(author.dayMarks && { dayMarks: author.dayMarks.bind(author) }),
    ...(author.logout && { logout: author.logout.bind(author) }),
    ...(author.ingest && { ingest: author.ingest }),
    ...(author.isolation && { isolation: author.isolation }),
    async listDatasets(session: unknown) {
      return Object.entries(await tableOf(session)).map(([key, dataset]) => infoOf(key, dataset));
    },
    async *fetch({ dataset: wanted, ...context }: FetchRequest) {
      const dataset = await datasetOf(context.session, wanted);
      if (dataset.granularity === 'cursor') throw unfit(wanted, 'of days');
      yield* checked<ConnectorRecord>(wanted, dataset, dataset.fetch(context));
    },
    async *fetchSince({ dataset: wanted, ...context }: CursorRequest) {
      const dataset = await datasetOf(context.session, wanted);
      if (dataset.granularity !== 'cursor') throw unfit(wanted, 'with a cursor');
      yield* checked<CursorRecord | Checkpoint>(wanted, dataset, dataset.fetch(context));
    },
  });
}
