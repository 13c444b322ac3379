import type { ConnectorPool } from './connector-pool.ts';
import type { ConnectorProcess } from './connector-process.ts';
import { defaultRunLimits } from './limits.ts';
import { PluginError } from './plugin-error.ts';
import type { WantedKind } from './plugin-shape.ts';
import type { FromChild, PluginFacts } from './protocol.ts';
import type { ResolvedPlugin } from './resolve-plugin.ts';

// A module that takes longer to load does in its body what belongs into login.
const describeWithinMs = 20_000;

function notLoaded({ path }: ResolvedPlugin, found: string): PluginError {
  return new PluginError(
    'plugin_not_loaded',
    `Expected ${path} to load, but ${found}: do in login what takes time or may fail, and nothing when it is imported`,
  );
}

/** What a plugin is loaded with. */
export interface DescribeOptions {
  readonly pool: ConnectorPool;
  /** Never readable for the plugin. */
  readonly privateFolder: string;
  readonly wanted: WantedKind;
  /** Ends the wait for a process. */
  readonly signal?: AbortSignal;
}

async function ask(
  process: ConnectorProcess,
  plugin: ResolvedPlugin,
  wanted: WantedKind,
): Promise<PluginFacts> {
  const { promise, resolve, reject } = Promise.withResolvers<PluginFacts>();
  const receive = (message: FromChild): void => {
    if (message.type === 'described') resolve(message.facts);
    if (message.type !== 'failed') return;
    const { code, message: found } = message.error;
    reject(PluginError.of(code, found) ?? notLoaded(plugin, found));
  };
  process.attach({
    receive,
    // What it prints while it is loaded is of no use to anybody here.
    said: () => undefined,
    broke: (error) => reject(notLoaded(plugin, error.message)),
    ended: (how) => reject(notLoaded(plugin, `its process ended: ${how}`)),
  });
  const late = `it took longer than ${describeWithinMs / 1000} s`;
  const timer = setTimeout(() => reject(notLoaded(plugin, late)), describeWithinMs);
  process.send({ type: 'describe', plugin: plugin.url, wanted });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What a plugin says of itself. It is loaded in a process such as it runs in, which serves its next run; nothing of it is
 * called.
 *
 * @throws PluginError
 */
export async function describePlugin(
  plugin: ResolvedPlugin,
  { pool, privateFolder, wanted, signal = new AbortController().signal }: DescribeOptions,
): Promise<PluginFacts> {
  const { memoryMb } = defaultRunLimits;
  const process = await pool.take({ plugin, privateFolder, memoryMb }, signal);
  let isClean = false;
  try {
    const facts = await ask(process, plugin, wanted);
    isClean = true;
    return facts;
  } finally {
    // One that hangs would not hear that it is to end.
    if (!isClean) process.kill();
    await pool.giveBack(process, isClean);
  }
}
