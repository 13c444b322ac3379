import { ConnectorError } from '@on-the-way/sdk';
import { BudgetSpent } from './request-meter.ts';

/** Which plugin code is being called; put on whatever it throws that is not a ConnectorError. */
export interface PluginCall {
  /** Name of the plugin. */
  readonly plugin: string;
  /** The verb, e.g. `fetch`. */
  readonly method: string;
  /** The dataset, where the verb is about one. */
  readonly dataset?: string;
}

/** Something a plugin must not do: throw anything but ConnectorError, or answer outside the promise. */
export class PluginBug extends Error {
  override readonly name = 'PluginBug';
  readonly code = 'plugin_bug';
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `a ${typeof error}, not an Error`;
}

/**
 * The one place that calls plugin code. A ConnectorError passes through, an abort stays an abort, and
 * anything else becomes a PluginBug that names plugin, verb and dataset.
 */
export async function callPlugin<T>(
  call: PluginCall,
  signal: AbortSignal,
  code: () => T | Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  try {
    return await code();
  } catch (error) {
    if (ConnectorError.is(error) || error instanceof PluginBug || error instanceof BudgetSpent) throw error;
    signal.throwIfAborted();
    const of = call.dataset === undefined ? '' : ` of ${call.dataset}`;
    throw new PluginBug(
      `Expected ${call.method}${of} in plugin ${call.plugin} to throw only ConnectorError, got ${describe(error)}: ` +
        `report it to the plugin's author`,
      { cause: error },
    );
  }
}

/** The same for each step of an iteration: every record asked for is a call of plugin code. */
export async function* callPluginEach<T>(
  call: PluginCall,
  signal: AbortSignal,
  code: () => AsyncIterable<T>,
): AsyncGenerator<T> {
  const iterator = await callPlugin(call, signal, () => code()[Symbol.asyncIterator]());
  let done = false;
  try {
    for (;;) {
      const step = await callPlugin(call, signal, () => iterator.next());
      done = step.done === true;
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    // Told to stop early: let the plugin release what it holds, but do not wait for one that hangs.
    const release = async () => iterator.return?.();
    if (!done) void release().catch(() => undefined);
  }
}
