import type { DatedEvent } from '@on-the-way/core';
import type { DatasetInfo, JsonValue, Window } from '@on-the-way/sdk';

/** What the host tells the child that runs a connector. One JSON object a line, over one socket. */
export type ToChild =
  | {
      readonly type: 'open';
      readonly plugin: string;
      readonly config: unknown;
      readonly timeZone: string;
      readonly versionOverride?: string;
      /** Whether a person is there to answer a prompt. */
      readonly interactive: boolean;
    }
  | {
      readonly type: 'fetch';
      readonly id: number;
      readonly dataset: string;
      readonly window: Window;
      readonly requestId: string;
      /** Batches the child may send before it must wait for more credit. */
      readonly credits: number;
    }
  | { readonly type: 'credit'; readonly id: number }
  | { readonly type: 'check'; readonly id: number }
  | { readonly type: 'abort'; readonly id: number }
  /** Answers a `call` of the child. */
  | { readonly type: 'reply'; readonly id: number; readonly value?: JsonValue; readonly error?: WireError }
  | { readonly type: 'close' };

/** What the child tells the host. */
export type FromChild =
  /** Values that must never be shown, sent before any code of the plugin sees them. */
  | { readonly type: 'secrets'; readonly values: readonly string[] }
  | {
      readonly type: 'opened';
      readonly accountRef: string;
      readonly datasets: readonly DatasetInfo[];
      readonly version: string;
    }
  | { readonly type: 'batch'; readonly id: number; readonly events: readonly DatedEvent[] }
  | { readonly type: 'done'; readonly id: number }
  /** Without id: opening failed, or the whole child did. */
  | { readonly type: 'failed'; readonly id?: number; readonly error: WireError }
  | {
      readonly type: 'call';
      readonly id: number;
      readonly method: CallMethod;
      readonly args: readonly JsonValue[];
    }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn';
      readonly message: string;
      readonly fields?: Readonly<Record<string, unknown>>;
    };

/** What the child asks the host to do for it. */
export type CallMethod = 'tokens.load' | 'tokens.save' | 'prompt';

/** An error as it crosses: what the ledger needs of it, and nothing that could hold a secret's stack. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly status?: number;
  readonly retryAfterMs?: number;
}

/** A message as a line. */
export function encode(message: ToChild | FromChild): string {
  return `${JSON.stringify(message)}\n`;
}

/** Splits a stream of text into lines; keeps the unfinished rest for the next piece. */
export function createLineSplitter(onLine: (line: string) => void): (piece: string) => void {
  let rest = '';
  return (piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
  };
}
