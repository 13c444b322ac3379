import type { HostConfig } from './config/host-config.ts';
import { readableBy } from './isolate/child-process.ts';
import type { ConnectorPool } from './isolate/connector-pool.ts';
import { describePlugin } from './isolate/describe-plugin.ts';
import { readManifest } from './isolate/package-entry.ts';
import { PluginError } from './isolate/plugin-error.ts';
import type { PluginFacts } from './isolate/protocol.ts';
import {
  defaultPluginsDir,
  namesInFolder,
  resolvePlugin,
  type PluginOrigin,
  type ResolvedPlugin,
} from './isolate/resolve-plugin.ts';
import { readConformance, type ConformanceResult } from './plugin-conformance.ts';
import { duplicateOf, sharedSourceOf, type KnownPlugin } from './plugin-names.ts';
import { checkSdk, sdkOf, type PluginSdk } from './plugin-sdk.ts';

/** What of the configuration names a plugin. */
export interface PluginUse {
  readonly as: 'connection' | 'sink' | 'ingest';
  /** Of the connection or the sink; empty for ingest. */
  readonly name: string;
}

/** What a plugin may do, as the host grants it. */
interface PluginPermissions {
  /** A connector runs in a `child`; sinks and ingest contracts in the `host`, with all of its rights. */
  readonly runsIn: readonly ('child' | 'host')[];
  /** In the child: what it may read. A path that ends in * is a folder with all that is in it. */
  readonly reads: { readonly own: readonly string[]; readonly packages: readonly string[] } | null;
}

/** A plugin as `otw plugin list` shows it. What could not be found out is null. */
export interface ListedPlugin {
  /** As the configuration names it, or its name in the plugins folder. */
  readonly named: string;
  readonly usedBy: readonly PluginUse[];
  readonly from: PluginOrigin | null;
  readonly path: string | null;
  /** Its package.json's name and version. */
  readonly package: { readonly name: string | null; readonly version: string | null } | null;
  readonly facts: PluginFacts | null;
  readonly sdk: PluginSdk | null;
  readonly conformance: ConformanceResult | null;
  readonly permissions: PluginPermissions | null;
  readonly problem: PluginError | null;
  /** What keeps it from nothing, and should be known. */
  readonly warnings: readonly string[];
}

/** How plugins are listed. */
interface ListOptions {
  readonly pool: ConnectorPool;
  /** Whether a plugin of these uses is loaded; of others it is found out where they lie, and for which SDK. Default: all. */
  readonly isLoaded?: (usedBy: readonly PluginUse[]) => boolean;
}

/** A plugin that is there, before anything of it was loaded. */
interface Wanted {
  readonly plugin: ResolvedPlugin;
  readonly usedBy: PluginUse[];
}

function usesOf({ connections, sinks, ingest }: HostConfig): readonly (readonly [string, PluginUse])[] {
  return [
    ...connections.map(({ name, plugin }) => [plugin, { as: 'connection', name }] as const),
    ...Object.entries(sinks).map(([name, { plugin }]) => [plugin, { as: 'sink', name }] as const),
    ...ingest.plugins.map((plugin) => [plugin, { as: 'ingest', name: '' }] as const),
  ];
}

function pluginErrorOf(error: unknown): PluginError {
  if (error instanceof PluginError) return error;
  throw error;
}

const nothing = {
  from: null,
  path: null,
  package: null,
  facts: null,
  sdk: null,
  conformance: null,
  permissions: null,
  warnings: [],
} as const;

/** Everything the configuration names and the plugins folder has, each plugin once; and the names with nothing behind. */
function findAll(config: HostConfig): { readonly found: readonly Wanted[]; readonly lost: ListedPlugin[] } {
  const { baseDir, pluginsDir = defaultPluginsDir(baseDir) } = config;
  const names = new Map<string, PluginUse[]>();
  for (const [name, use] of usesOf(config)) names.set(name, [...(names.get(name) ?? []), use]);
  for (const name of namesInFolder(pluginsDir)) if (!names.has(name)) names.set(name, []);
  const byPath = new Map<string, Wanted>();
  const lost: ListedPlugin[] = [];
  for (const [name, usedBy] of names) {
    try {
      const plugin = resolvePlugin(name, baseDir, pluginsDir);
      const known = byPath.get(plugin.path);
      if (known) known.usedBy.push(...usedBy);
      else byPath.set(plugin.path, { plugin, usedBy });
    } catch (error) {
      lost.push({ ...nothing, named: name, usedBy, problem: pluginErrorOf(error) });
    }
  }
  return { found: [...byPath.values()], lost };
}

function permissionsOf(
  plugin: ResolvedPlugin,
  { kind, contracts }: PluginFacts,
  { dataDir }: HostConfig,
): PluginPermissions {
  if (kind === 'sink') return { runsIn: ['host'], reads: null };
  const { own, packages } = readableBy(plugin, dataDir);
  return { runsIn: contracts.length > 0 ? ['child', 'host'] : ['child'], reads: { own, packages } };
}

function warningsOf({ sdk, conformance, facts }: Pick<ListedPlugin, 'sdk' | 'conformance' | 'facts'>) {
  return [
    ...(sdk?.fit === 'not_stated'
      ? [
          'nothing states which @on-the-way/sdk it was written for: name it in peerDependencies of its package.json',
        ]
      : []),
    ...(sdk?.fit === 'other_release' ? [`it was written for another release of the SDK, ${sdk.range}`] : []),
    ...(conformance && conformance.failed > 0
      ? [`${conformance.failed} of its conformance checks failed`]
      : []),
    ...(conformance && facts && conformance.version !== facts.version
      ? [`tested as ${conformance.version}, this is ${facts.version}: test it again`]
      : []),
  ];
}

async function describe(
  { plugin, usedBy }: Wanted,
  config: HostConfig,
  { pool, isLoaded = () => true }: ListOptions,
): Promise<ListedPlugin> {
  const used = usedBy[0]?.as;
  const wanted = used === undefined ? 'any' : used === 'sink' ? 'sink' : 'connector';
  let known: ListedPlugin = {
    ...nothing,
    named: plugin.name,
    usedBy,
    from: plugin.from,
    path: plugin.path,
    problem: null,
  };
  try {
    const { name = null, version = null } = readManifest(plugin.folder) ?? {};
    known = { ...known, package: { name, version }, sdk: sdkOf(plugin) };
    checkSdk(plugin);
    if (!isLoaded(usedBy)) return known;
    const facts = await describePlugin(plugin, { pool, privateFolder: config.dataDir, wanted });
    const conformance = readConformance(plugin.folder, facts.name) ?? null;
    const permissions = permissionsOf(plugin, facts, config);
    known = { ...known, facts, conformance, permissions };
    return { ...known, warnings: warningsOf(known) };
  } catch (error) {
    return { ...known, problem: pluginErrorOf(error) };
  }
}

/** Connectors of connections are compared with each other: the same name twice is a problem of both. */
function compared(listed: readonly (ListedPlugin & { readonly plugin: ResolvedPlugin })[]): ListedPlugin[] {
  const connectors = listed.flatMap(({ plugin, facts, usedBy }): KnownPlugin[] =>
    facts && usedBy.some(({ as }) => as === 'connection') ? [{ plugin, facts }] : [],
  );
  return listed.map(({ plugin, ...one }) => {
    const own = connectors.find((known) => known.plugin === plugin);
    if (!own) return one;
    const problem = one.problem ?? duplicateOf(own, connectors) ?? null;
    const shared = sharedSourceOf(own, connectors);
    return { ...one, problem, warnings: [...one.warnings, ...(shared === undefined ? [] : [shared])] };
  });
}

/**
 * Every plugin that the configuration names or the plugins folder has, with what it says of itself: each is loaded in a
 * process such as connectors run in, sinks too, and none in the host's own. Never rejects for a plugin that is broken.
 */
export async function listPlugins(config: HostConfig, options: ListOptions): Promise<ListedPlugin[]> {
  const { found, lost } = findAll(config);
  const listed = await Promise.all(
    found.map(async (wanted) => ({ ...(await describe(wanted, config, options)), plugin: wanted.plugin })),
  );
  return [...compared(listed), ...lost];
}
