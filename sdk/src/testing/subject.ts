import type { Connector } from '../connector.ts';
import type { ConnectorErrorCode } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import type { RawEvent, Sink } from '../sink.ts';
import type { Window } from '../windows.ts';
import type { SuiteHost } from './suite-host.ts';
import type { TestRequest, TestServer } from './server.ts';
import type { Surface } from './surface.ts';

/** What every subject says. */
interface SubjectBase {
  /**
   * URL of the module that exports the plugin as its default, e.g. `import.meta.resolve('../src/index.ts')`: checks that
   * kill a process, measure it or look at what it prints load it in one of its own.
   */
  readonly module: string;
  /**
   * Why a check does not apply, by its number. A check that is skipped without such a reason is told as undeclared. What is
   * about every plugin of its kind cannot be skipped: 1 to 4, 6 and 11; of connectors also 7, 12, 13, 16, 19 and 28; of sinks
   * 39 to 44.
   */
  readonly skips?: Readonly<Record<number, string>>;
  /** What the last published version promised; see {@link surfaceOf}. Absent: nothing was published yet. */
  readonly published?: Surface;
  /** A real host. `otw plugin test` brings its own; in a test it is what `startSuiteHost` of the host resolves with. */
  readonly host?: SuiteHost;
}

/** What connects a connector to the double of its source. */
export interface OpenSource {
  /** A configuration that works, not yet parsed. Keep time-outs short. */
  readonly config: Readonly<Record<string, JsonValue>>;
  /** The session an earlier run saved, by field. */
  readonly tokens?: Readonly<Record<string, JsonValue>>;
  /** The same with credentials that the source refuses. */
  readonly refused?: Pick<OpenSource, 'config' | 'tokens'>;
  /** The same for an account that needs a person: a code, a consent. */
  readonly needsUser?: Pick<OpenSource, 'config' | 'tokens'>;
  /** True for requests that sign in or renew; faults strike the others. Default: none does. */
  isSignIn?(request: TestRequest): boolean;
  /** Present where access ends and is renewed. */
  readonly renewal?: {
    /** From now on the source refuses the access it gave last, until it is renewed. */
    expire(): void | Promise<void>;
    /** Whether this request renews it. */
    matches(request: TestRequest): boolean;
  };
  /**
   * Present where the source says when something was and the plugin says on which day: puts one record of that dataset of
   * days into the source at each of these instants (RFC 3339, UTC). Each must come out on one day, also on the day of 23 or 25 hours.
   */
  readonly put?: Readonly<Record<string, (instants: readonly string[]) => void | Promise<void>>>;
  /** Called when the check is over. */
  close?(): void | Promise<void>;
}

/** A dataset that can be made as large as the check of memory wants. */
export interface LargeSource extends OpenSource {
  /** Its name. */
  readonly dataset: string;
  /** Of a dataset of days. A cursor dataset is read from the start. */
  readonly window?: Window;
}

/** What goes wrong at a source, one after the other; the names of {@link ConnectorSubject.errors}. */
export type FaultName =
  | '401'
  | '403'
  | '404'
  | '409'
  | '422'
  | '429 with seconds'
  | '429 with a date'
  | '500'
  | '502'
  | '503'
  | 'time-out'
  | 'reset'
  | 'truncated body'
  | 'HTML instead of JSON';

/** What the suite is told of a connector. */
export interface ConnectorSubject extends SubjectBase {
  /** What `defineConnector` gave. */
  readonly plugin: Connector;
  /**
   * Puts a double of the source behind the server and says how to connect to it. Called by most checks, with a new server
   * each time; `account` 2 is another person with other credentials. Leave it out only if the plugin asks nothing of a
   * network, which is looked at while it is read: then give `config`.
   */
  open?(server: TestServer, account: 1 | 2): OpenSource | Promise<OpenSource>;
  /** A configuration that works, for a connector without `open`. Default `{}`. */
  readonly config?: Readonly<Record<string, JsonValue>>;
  /** Closed days, long past, two at least, for which the double has something in each dataset of days. */
  readonly window: Window;
  /** Default Asia/Shanghai. Zone of the connection. */
  readonly timeZone?: string;
  /** Why a dataset has nothing in the window, by its name. */
  readonly empty?: Readonly<Record<string, string>>;
  /** Days that are older than anything the source keeps. */
  readonly outOfRange?: Window;
  /** How far behind its cursor a cursor dataset reads again, in days. Default 0. */
  readonly overlapDays?: number;
  /** Cursors that earlier versions of the plugin gave, by dataset. */
  readonly oldCursors?: Readonly<Record<string, readonly JsonValue[]>>;
  /** What else than the usual a fault may lead to, by its name; `none` is no error. */
  readonly errors?: Partial<Record<FaultName, readonly (ConnectorErrorCode | 'none')[]>>;
  /** Longest time for a login, and for a question under a fault, in milliseconds, also when nothing is answered. Default 10,000. */
  readonly timeLimitMs?: number;
  /** Requests that the source allows, and in which time: nobody may see more. */
  readonly budget?: {
    /** How many. */
    readonly requests: number;
    /** Within how many milliseconds. */
    readonly perMs: number;
  };
  /** Puts a source behind the server that has this many megabytes for one dataset, made as they are asked for. */
  openLarge?(server: TestServer, megabytes: number): LargeSource | Promise<LargeSource>;
}

/** A row as a sink keeps it. */
export interface StoredEvent {
  /** `source_id`, the first half of the key. */
  readonly sourceId: string;
  /** `external_id`, the other half. */
  readonly externalId: string;
  /** RFC 3339, in any zone, to the microsecond. */
  readonly occurredAt: string;
  /** JSON text, digit for digit where the store keeps text; else as near as it can be had. */
  readonly payload: string;
}

/** A place to write to, empty at first. */
export interface OpenTarget {
  /** A configuration that works, not yet parsed. */
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Everything that is stored there now, in any order, read by other means than the sink where there are any. */
  stored(): Promise<readonly StoredEvent[]>;
  /** Called when the check is over. */
  close?(): void | Promise<void>;
}

/** What the suite is told of a sink. */
export interface SinkSubject extends SubjectBase {
  /** What `defineSink` gave. */
  readonly plugin: Sink;
  /** Makes an empty place to write to. Called by most checks. */
  open(): OpenTarget | Promise<OpenTarget>;
  /** `source_id` of the events that are written, for targets that take named ones only. Default `suite`, and one event of another. */
  readonly sourceId?: string;
  /** Makes an event's payload fit for targets that check it, from a number. Default: any object. Gives JSON text. */
  payload?(data: string, day: string): string;
  /** A connector whose events the target takes, for a run in a real host. Default: one of the suite, `source_id` `sample`. */
  readonly connector?: {
    /** URL of the module. */
    readonly module: string;
    /** As it is written in a configuration file. */
    readonly config: Readonly<Record<string, JsonValue>>;
  };
  /** True for a target whose numbers know one zero, as Postgres' numeric: -0 may come back as 0, which RFC 8785 calls the same. */
  readonly hasOneZero?: boolean;
  /** An event that the sink must refuse by name. Default: the suite's hard values, of which it may take any exactly. */
  readonly poison?: (event: RawEvent) => RawEvent;
}

/** What the suite is told of a plugin. */
export type Subject = ConnectorSubject | SinkSubject;

/** Gives the subject back; for its type. Export it as the default of `test/subject.ts`, where `otw plugin test` looks. */
export function defineSubject<Kind extends Subject>(subject: Kind): Kind {
  return subject;
}

/** Whether the subject is a connector. */
export function isConnectorSubject(subject: Subject): subject is ConnectorSubject {
  return subject.plugin.kind === 'connector';
}
