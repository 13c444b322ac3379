import { PluginBug, type FetchedBatch, type OpenConnector, type SliceRequest } from '@on-the-way/core';
import { ConnectorError, type JsonValue, type SignIn, type Window } from '@on-the-way/sdk';
import { z } from 'zod';
import { Channel, type ChannelOptions, type Opened } from './channel.ts';
import { createConnectorPool, type ConnectorPool } from './connector-pool.ts';
import { defaultRunLimits, type RunLimits } from './limits.ts';
import type { ToChild } from './protocol.ts';
import type { ResolvedPlugin } from './resolve-plugin.ts';

/** What opening a connector in a child needs. */
export interface ProcessConnectorOptions extends Omit<ChannelOptions, 'limits'> {
  /** Where processes come from; missing: a process of its own, for this once. */
  readonly pool?: ConnectorPool;
  /** A process that no run has used before, and none will use after. */
  readonly fresh?: boolean;
  /** What is missing has its default. */
  readonly limits?: Partial<RunLimits>;
  readonly plugin: ResolvedPlugin;
  /** Never readable for the child, wherever the plugin lies. */
  readonly privateFolder: string;
  readonly config: unknown;
  readonly timeZone: string;
  readonly versionOverride?: string;
  readonly signIn?: SignIn;
  readonly signInPausedUntil?: number;
  readonly requestBudget?: number;
  readonly signal: AbortSignal;
}

// Enough for the child to prepare the next batch while one is being written, little enough to stay small.
const credits = 4;
// Several requests with their time-outs fit in; a login that takes longer hangs. Not while a person types.
const loginWithinMs = 120_000;
const longestTimerMs = 2_147_483_647;

function loginTimeout(): ConnectorError {
  return new ConnectorError('transient', `Expected a login within ${loginWithinMs / 1000} s, got no answer`);
}

/** Batches as they come, with one credit given back for each that was taken. */
async function* batches(
  channel: Channel,
  slice: SliceRequest,
  signal: AbortSignal,
): AsyncGenerator<FetchedBatch> {
  signal.throwIfAborted();
  const arrived: FetchedBatch[] = [];
  let wake = Promise.withResolvers<void>();
  let ended = false;
  let failure: unknown;
  const end = (error?: unknown): void => {
    ended = true;
    failure = error;
    wake.resolve();
  };
  let isOurTurn = false;
  const id = channel.expect({
    isOurTurn: () => isOurTurn,
    batch(batch) {
      arrived.push(batch);
      wake.resolve();
    },
    done: () => end(),
    failed: (error) => end(error),
  });
  const onAbort = (): void => end(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    channel.send({
      type: 'fetch',
      id,
      dataset: slice.dataset,
      window: slice.window,
      requestId: slice.requestId,
      ...(slice.cursor !== undefined && { cursor: slice.cursor }),
      credits,
    });
    for (;;) {
      const next = arrived.shift();
      if (next) {
        isOurTurn = true;
        yield next;
        isOurTurn = false;
        channel.progressed();
        channel.send({ type: 'credit', id });
      } else if (ended) {
        if (failure !== undefined) throw failure;
        return;
      } else {
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    channel.forget(id);
  }
}

type Question =
  Extract<ToChild, { type: 'ask' }> extends infer Ask
    ? Ask extends unknown
      ? Omit<Ask, 'type' | 'id'>
      : never
    : never;

async function ask(
  channel: Channel,
  question: Question,
  signal: AbortSignal,
): Promise<JsonValue | undefined> {
  signal.throwIfAborted();
  const result = Promise.withResolvers<JsonValue | undefined>();
  const id = channel.expect({ batch: () => undefined, done: result.resolve, failed: result.reject });
  const onAbort = (): void => result.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    channel.send({ type: 'ask', id, ...question } as ToChild);
    return await result.promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    channel.forget(id);
  }
}

const marksSchema = z.record(z.string(), z.string());

async function dayMarks(channel: Channel, window: Window, signal: AbortSignal) {
  const marks = marksSchema.safeParse(await ask(channel, { what: 'dayMarks', window }, signal));
  if (marks.success) return marks.data;
  throw new PluginBug('Expected dayMarks to resolve with a text a day, got something else');
}

async function lastChange(channel: Channel, signal: AbortSignal): Promise<string | undefined> {
  const text = await ask(channel, { what: 'lastChange' }, signal);
  if (text === undefined || typeof text === 'string') return text;
  throw new PluginBug(`Expected lastChange to resolve with a text, got a ${typeof text}`);
}

/** Sends what the connector is opened with, and waits until it has logged in. */
async function logIn(channel: Channel, options: ProcessConnectorOptions): Promise<Opened> {
  const { plugin, config, timeZone, versionOverride, prompt, signIn, signal } = options;
  const { signInPausedUntil, requestBudget } = options;
  const onAbort = (): void => channel.kill();
  signal.addEventListener('abort', onAbort, { once: true });
  channel.send({
    type: 'open',
    plugin: plugin.url,
    config,
    timeZone,
    ...(versionOverride !== undefined && { versionOverride }),
    interactive: prompt !== undefined,
    recording: options.record !== undefined,
    ...(signIn && { signIn }),
    ...(signInPausedUntil !== undefined && { signInPausedUntil }),
    ...(requestBudget !== undefined && { requestBudget }),
  });
  const timer = setTimeout(
    () => channel.giveUp(loginTimeout()),
    prompt === undefined ? loginWithinMs : longestTimerMs,
  );
  try {
    return await channel.opened;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Opens a connector in a child process that no other run uses meanwhile. The child is told secrets and
 * configuration over the channel, for this run, and forgets them with it.
 *
 * @throws ConnectorError as the connector's `login`; PluginBug; ProcessEnded.
 */
export async function openInProcess(options: ProcessConnectorOptions): Promise<OpenConnector> {
  const { plugin, privateFolder, fresh = false, signal } = options;
  const limits = { ...defaultRunLimits, ...options.limits };
  const pool = options.pool ?? createConnectorPool({ most: 1 });
  const isKept = options.pool !== undefined && !fresh;
  const process = await pool.take({ plugin, privateFolder, memoryMb: limits.memoryMb, fresh }, signal);
  const channel = new Channel(process, { ...options, limits });
  const close = async (): Promise<void> => pool.giveBack(process, (await channel.close()) && isKept);
  let opened: Opened;
  try {
    opened = await logIn(channel, options);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    accountRef: opened.accountRef,
    datasets: opened.datasets,
    version: opened.version,
    fetch: (slice, sliceSignal) => batches(channel, slice, sliceSignal),
    check: async (askSignal) => void (await ask(channel, { what: 'check' }, askSignal)),
    lastChange: (askSignal) => lastChange(channel, askSignal),
    dayMarks: (window, askSignal) => dayMarks(channel, window, askSignal),
    isAlive: () => channel.isAlive,
    settled: () => channel.settled,
    close,
  };
}
