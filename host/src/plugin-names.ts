import { statSync } from 'node:fs';
import type { ConnectorPool } from './isolate/connector-pool.ts';
import { describePlugin } from './isolate/describe-plugin.ts';
import { PluginError } from './isolate/plugin-error.ts';
import type { PluginFacts } from './isolate/protocol.ts';
import { resolvePlugin, type ResolvedPlugin } from './isolate/resolve-plugin.ts';

/** A plugin, and what it says of itself. */
export interface KnownPlugin {
  readonly plugin: ResolvedPlugin;
  readonly facts: PluginFacts;
}

/** The error of two connectors that say they are the same one; undefined where they do not. */
export function duplicateOf(one: KnownPlugin, others: readonly KnownPlugin[]): PluginError | undefined {
  const { name } = one.facts;
  const same = others.find(({ plugin, facts }) => plugin.path !== one.plugin.path && facts.name === name);
  if (!same) return undefined;
  return new PluginError(
    'plugin_duplicate',
    `Expected one connector with the name ${name}, since it begins every external_id, found ${one.plugin.path} and ` +
      `${same.plugin.path}: use one of them, or give one another name in its defineConnector`,
  );
}

/** What is to be said of connectors that write rows under one source_id; undefined where there is nothing. */
export function sharedSourceOf(one: KnownPlugin, others: readonly KnownPlugin[]): string | undefined {
  const { name, source } = one.facts;
  const same = others.find(({ facts }) => facts.name !== name && facts.source === source);
  if (source === undefined || !same) return undefined;
  return `connectors ${name} and ${same.facts.name} have the same source ${source}: their rows stand under one source_id`;
}

/** What connectors are compared with. */
export interface NameParts {
  /** The plugins of all connections, as configured. */
  readonly connectors: readonly string[];
  readonly baseDir: string;
  readonly pluginsDir?: string;
  /** Never readable for a connector. */
  readonly dataDir: string;
  readonly pool: ConnectorPool;
  readonly warn: (message: string) => void;
}

/** Keeps two plugins with one name out of a configuration. */
export interface PluginNames {
  /**
   * Called before a connector is opened. Where the configuration names other plugins, each is loaded once, in a process
   * of its own; those that cannot be loaded are left out here, since they cannot run either.
   *
   * @throws PluginError `plugin_duplicate`; the signal's reason when it is aborted.
   */
  check(plugin: ResolvedPlugin, signal: AbortSignal): Promise<void>;
}

class Names implements PluginNames {
  readonly #parts: NameParts;
  readonly #known = new Map<string, PluginFacts>();
  readonly #warned = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: NameParts) {
    this.#parts = parts;
  }

  async check(plugin: ResolvedPlugin, signal: AbortSignal): Promise<void> {
    const others = this.#others(plugin);
    if (others.length === 0) return;
    // In turn, so that runs which begin together load each plugin once.
    const turn = this.#turn.then(() => this.#compare(plugin, others, signal));
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #compare(
    plugin: ResolvedPlugin,
    others: readonly ResolvedPlugin[],
    signal: AbortSignal,
  ): Promise<void> {
    const one = await this.#read(plugin, signal);
    if (!one) return;
    const known: KnownPlugin[] = [];
    for (const other of others) {
      const read = await this.#read(other, signal);
      if (read) known.push(read);
    }
    const duplicate = duplicateOf(one, known);
    if (duplicate) throw duplicate;
    const shared = sharedSourceOf(one, known);
    if (shared === undefined || this.#warned.has(plugin.path)) return;
    this.#warned.add(plugin.path);
    this.#parts.warn(shared);
  }

  /** The other plugins that are there, each once. */
  #others({ path }: ResolvedPlugin): ResolvedPlugin[] {
    const { connectors, baseDir, pluginsDir } = this.#parts;
    const found = [...new Set(connectors)].flatMap((name) => {
      try {
        return [resolvePlugin(name, baseDir, pluginsDir)];
      } catch (error) {
        if (error instanceof PluginError) return [];
        throw error;
      }
    });
    const byPath = new Map(found.map((plugin) => [plugin.path, plugin]));
    byPath.delete(path);
    return [...byPath.values()];
  }

  /** Kept until its module is another one; what could not be read is read again. */
  async #read(plugin: ResolvedPlugin, signal: AbortSignal): Promise<KnownPlugin | undefined> {
    const written = statSync(plugin.path, { throwIfNoEntry: false })?.mtimeMs;
    const key = `${plugin.path} ${written}`;
    try {
      const { pool, dataDir: privateFolder } = this.#parts;
      const options = { pool, privateFolder, wanted: 'connector', signal } as const;
      const facts = this.#known.get(key) ?? (await describePlugin(plugin, options));
      this.#known.set(key, facts);
      return { plugin, facts };
    } catch (error) {
      if (error instanceof PluginError) return undefined;
      throw error;
    }
  }
}

/** Makes the guard of a host's configuration. */
export function createPluginNames(parts: NameParts): PluginNames {
  return new Names(parts);
}
