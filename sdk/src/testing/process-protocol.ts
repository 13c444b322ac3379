import type { ConnectorRecord, CursorRecord, DatasetInfo } from '../connector.ts';
import type { JsonValue } from '../json.ts';
import type { RawEvent } from '../sink.ts';
import type { Window } from '../windows.ts';
import type { Machine } from './machine.ts';

/** What a dataset is asked, as it crosses to the process. */
export interface ProcessQuestion {
  readonly dataset: string;
  readonly window?: Window;
  readonly cursor?: JsonValue;
}

/** An error as another process sees it. */
export interface ThrownThere {
  readonly isError: boolean;
  readonly isConnectorError: boolean;
  readonly code?: string;
  readonly message: string;
  /** With its stack, members and causes, as a log would show it. */
  readonly shown: string;
}

/** What the process is asked, each with a number that its answer carries. */
export type ProcessRequest =
  | {
      readonly verb: 'open';
      readonly module: string;
      readonly config: Readonly<Record<string, JsonValue>>;
      readonly tokens: Readonly<Record<string, JsonValue>>;
      readonly machine?: Machine;
      /** Default 1. Sessions that are opened; the first is asked, `meet` puts its questions to all in turn. */
      readonly sessions?: number;
    }
  | ({ readonly verb: 'ask' } & ProcessQuestion)
  | { readonly verb: 'next' }
  | ({ readonly verb: 'drain' } & ProcessQuestion)
  | { readonly verb: 'meet'; readonly questions: readonly ProcessQuestion[]; readonly limitMs: number }
  | { readonly verb: 'close' }
  | {
      readonly verb: 'openSink';
      readonly module: string;
      readonly config: Readonly<Record<string, JsonValue>>;
    }
  | { readonly verb: 'write'; readonly batch: readonly RawEvent[] }
  | { readonly verb: 'closeSink' };

/** What a dataset said next: a record or a checkpoint; neither at the end. The marks of the two do not cross. */
export interface Said {
  readonly record?: ConnectorRecord | CursorRecord;
  readonly checkpoint?: { readonly cursor: JsonValue };
}

/** How one question of `meet` came to its end, and what was thrown. */
export interface EndThere {
  readonly dataset: string;
  readonly how: 'done' | 'late' | 'threw';
  readonly thrown?: ThrownThere;
}

/** What comes back. */
export type ProcessAnswer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly thrown: ThrownThere }
  /** Unasked: a log line, a connection that is being made, a rejection that nobody handled. */
  | { readonly said: 'log'; readonly text: string }
  | { readonly said: 'connecting' }
  | { readonly said: 'unhandled'; readonly thrown: ThrownThere };

/** Of `open`. */
export interface OpenedThere {
  readonly account: string;
  readonly datasets: readonly DatasetInfo[];
}
