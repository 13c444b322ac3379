import type { DatedEvent, OpenConnector, SliceRequest } from '@on-the-way/core';
import { ConnectorError } from '@on-the-way/sdk';
import { Channel, type ChannelOptions, type Opened } from './channel.ts';
import { spawnChild } from './child-process.ts';
import type { ResolvedPlugin } from './resolve-plugin.ts';

/** What opening a connector in a child needs. */
export interface ProcessConnectorOptions extends ChannelOptions {
  readonly plugin: ResolvedPlugin;
  /** Never readable for the child, wherever the plugin lies. */
  readonly privateFolder: string;
  readonly config: unknown;
  readonly timeZone: string;
  readonly versionOverride?: string;
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
): AsyncGenerator<readonly DatedEvent[]> {
  signal.throwIfAborted();
  const arrived: (readonly DatedEvent[])[] = [];
  let wake = Promise.withResolvers<void>();
  let ended = false;
  let failure: unknown;
  const end = (error?: unknown): void => {
    ended = true;
    failure = error;
    wake.resolve();
  };
  const id = channel.expect({
    batch(events) {
      arrived.push(events);
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
      credits,
    });
    for (;;) {
      const next = arrived.shift();
      if (next) {
        yield next;
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

function check(channel: Channel, signal: AbortSignal): Promise<void> {
  const result = Promise.withResolvers<void>();
  const id = channel.expect({ batch: () => undefined, done: result.resolve, failed: result.reject });
  signal.addEventListener('abort', () => result.reject(signal.reason), { once: true });
  channel.send({ type: 'check', id });
  return result.promise;
}

/**
 * Opens a connector in a child process of its own. The child is told secrets and configuration over the
 * channel, for this run, and ends with it.
 *
 * @throws ConnectorError as the connector's `login`; PluginBug; ProcessDied.
 */
export async function openInProcess(options: ProcessConnectorOptions): Promise<OpenConnector> {
  const channel = new Channel(spawnChild(options.plugin, options.privateFolder), options);
  const { plugin, config, timeZone, versionOverride, prompt, signal } = options;
  const onAbort = (): void => channel.kill();
  signal.addEventListener('abort', onAbort, { once: true });
  channel.send({
    type: 'open',
    plugin: plugin.url,
    config,
    timeZone,
    ...(versionOverride !== undefined && { versionOverride }),
    interactive: prompt !== undefined,
  });
  const timer = setTimeout(
    () => channel.giveUp(loginTimeout()),
    prompt === undefined ? loginWithinMs : longestTimerMs,
  );
  let opened: Opened;
  try {
    opened = await channel.opened;
  } catch (error) {
    await channel.close();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
  return {
    accountRef: opened.accountRef,
    datasets: opened.datasets,
    version: opened.version,
    fetch: (slice, sliceSignal) => batches(channel, slice, sliceSignal),
    check: (checkSignal) => check(channel, checkSignal),
    isAlive: () => channel.isAlive,
    settled: () => channel.settled,
    close: () => channel.close(),
  };
}
