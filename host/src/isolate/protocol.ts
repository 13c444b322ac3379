import type { JsonValue, SignIn, Window } from '@on-the-way/sdk';
import { z } from 'zod';
import { decodeBatch, type Batch, type BatchHeader } from './batch-frame.ts';
import type { WantedKind } from './plugin-shape.ts';

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
      /** A person wants to sign in anew. */
      readonly signIn?: SignIn;
      /** Milliseconds since 1970; no sign-in before it. */
      readonly signInPausedUntil?: number;
      /** Requests to the source that may still be made; no limit where it is missing. */
      readonly requestBudget?: number;
      /** Whether answers are recorded. */
      readonly recording: boolean;
    }
  | {
      readonly type: 'fetch';
      readonly id: number;
      readonly dataset: string;
      readonly window: Window;
      readonly requestId: string;
      /** Of a cursor dataset: where to go on; missing at the very first fetch. */
      readonly cursor?: JsonValue;
      /** Batches the child may send before it must wait for more credit. */
      readonly credits: number;
    }
  | { readonly type: 'credit'; readonly id: number }
  | { readonly type: 'ask'; readonly id: number; readonly what: 'check' | 'lastChange' }
  | { readonly type: 'ask'; readonly id: number; readonly what: 'dayMarks'; readonly window: Window }
  | { readonly type: 'abort'; readonly id: number }
  /** Answers a `call` of the child. */
  | { readonly type: 'reply'; readonly id: number; readonly value?: JsonValue; readonly error?: WireError }
  /** Outside of a run: load the plugin and say what it is; answered with `described` or `failed`. */
  | { readonly type: 'describe'; readonly plugin: string; readonly wanted: WantedKind }
  | { readonly type: 'ping' }
  /** The run is over: say goodbye to the source, forget everything of it, answer with `released`. */
  | { readonly type: 'release' }
  | { readonly type: 'close' };

const wireError = z.object({
  code: z.string(),
  message: z.string(),
  status: z.number().optional(),
  retryAfterMs: z.number().optional(),
  refusedSignIn: z.literal(true).exactOptional(),
});

const dataset = z.object({
  name: z.string(),
  granularity: z.enum(['day', 'range', 'snapshot', 'cursor']),
  spanDays: z.number(),
  settleDays: z.number(),
  description: z.string(),
  watched: z.boolean().exactOptional(),
  notSupported: z.string().exactOptional(),
});

/** What a plugin says of itself, without being opened. */
const pluginFacts = z.object({
  kind: z.enum(['connector', 'sink']),
  name: z.string(),
  version: z.string(),
  description: z.string(),
  /** Of a connector. */
  source: z.string().exactOptional(),
  /** Names of its ingest contracts. */
  contracts: z.array(z.string()).readonly(),
});

/** What a plugin says of itself, without being opened. */
export type PluginFacts = z.output<typeof pluginFacts>;

const id = z.number();
const jsonValue = z.custom<JsonValue>((value) => value !== undefined);

/** What the child tells the host. Checked, since a plugin can write to the channel too. */
const fromChild = z.discriminatedUnion('type', [
  /** Values that must never be shown, sent before any code of the plugin sees them. */
  z.object({ type: z.literal('secrets'), values: z.array(z.string()).readonly() }),
  z.object({
    type: z.literal('opened'),
    accountRef: z.string(),
    datasets: z.array(dataset).readonly(),
    version: z.string(),
  }),
  /** Answers a `describe`. */
  z.object({ type: z.literal('described'), facts: pluginFacts }),
  /** The line in front of a batch. */
  z.object({
    type: z.literal('batch'),
    id,
    count: z.int().nonnegative(),
    bytes: z.int().nonnegative(),
    sourceId: z.string(),
    requestId: z.string(),
    notCompared: z.array(z.string()).readonly().exactOptional(),
    /** Of a cursor dataset: where reading can go on behind these events. */
    checkpoint: jsonValue.exactOptional(),
  }),
  /** Ends a fetch, or answers an `ask`. */
  z.object({ type: z.literal('done'), id, value: jsonValue.optional() }),
  /** How many requests the connector has made so far. */
  z.object({ type: z.literal('requests'), made: z.number() }),
  /** An answer of the source, for a recording. */
  z.object({
    type: z.literal('recorded'),
    answer: z.object({
      dataset: z.string().exactOptional(),
      path: z.string(),
      query: z.record(z.string(), z.string()),
      status: z.number(),
      body: jsonValue,
      replaced: z.record(z.string(), z.number()).exactOptional(),
    }),
  }),
  /** Without id: opening failed, or the whole child did. */
  z.object({ type: z.literal('failed'), id: id.optional(), error: wireError }),
  /** Asks the host to do something for the child. */
  z.object({
    type: z.literal('call'),
    id,
    method: z.enum(['tokens.load', 'tokens.save', 'tokens.lock', 'tokens.unlock', 'prompt']),
    args: z.array(jsonValue).readonly(),
  }),
  z.object({
    type: z.literal('log'),
    level: z.enum(['debug', 'info', 'warn']),
    message: z.string(),
    fields: z.record(z.string(), z.unknown()).optional(),
  }),
  /** Answers a ping: the child's event loop turns, and holds so much memory. */
  z.object({ type: z.literal('pong'), residentMb: z.number() }),
  /** Answers a release: the run left nothing behind, so that the process may serve another one. */
  z.object({ type: z.literal('released'), reusable: z.boolean() }),
  /** What an earlier run left behind threw; the process goes on, but serves no further run. */
  z.object({ type: z.literal('left_behind'), message: z.string() }),
]);

type Line = z.output<typeof fromChild>;

/** A checked message of the child. */
export type FromChild = Exclude<Line, BatchHeader> | Batch;

/** What the child asks the host to do for it. */
export type CallMethod = Extract<FromChild, { type: 'call' }>['method'];

/** An error as it crosses: what the ledger needs of it, and nothing that could hold a secret's stack. */
export type WireError = z.output<typeof wireError>;

/** Reads a line of the child; undefined for what is no message. */
function readLine(line: string): Line | undefined {
  try {
    return fromChild.safeParse(JSON.parse(line)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const lineEnd = 0x0a;

/**
 * Reads the messages of the child from the pieces they arrive in. `onMessage` is given undefined for what is no message,
 * and for one longer than `longest` bytes; what comes behind that is not read.
 */
export function createMessageReader(
  onMessage: (message: FromChild | undefined) => void,
  longest: number,
): (piece: Buffer) => void {
  let pieces: Buffer[] = [];
  let held = 0;
  let header: BatchHeader | undefined;
  let isBroken = false;

  const take = (last: Buffer): Buffer => {
    const whole = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    pieces = [];
    held = 0;
    return whole;
  };
  const tell = (message: FromChild | undefined): void => {
    isBroken ||= message === undefined;
    onMessage(message);
  };
  const lineRead = (line: Buffer): void => {
    if (line.length === 0) return;
    const message = readLine(line.toString('utf8'));
    if (message?.type !== 'batch') return tell(message);
    if (message.bytes > longest) return tell(undefined);
    if (message.bytes > 0) header = message;
    else tell(decodeBatch(message, Buffer.alloc(0)));
  };

  return (piece) => {
    let rest = piece;
    while (!isBroken && rest.length > 0) {
      const wanted: number = header ? header.bytes - held : rest.indexOf(lineEnd);
      if (wanted < 0 || (header && wanted > rest.length)) break;
      const whole = take(rest.subarray(0, wanted));
      rest = rest.subarray(header ? wanted : wanted + 1);
      const batch = header;
      header = undefined;
      if (batch) tell(decodeBatch(batch, whole));
      else lineRead(whole);
    }
    if (isBroken || rest.length === 0) return;
    pieces.push(rest);
    held += rest.length;
    if (held > longest) tell(undefined);
  };
}
