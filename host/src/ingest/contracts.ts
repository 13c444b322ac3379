import { configError } from '../host-error.ts';
import { loadPlugin } from '../isolate/load-plugin.ts';
import { resolvePlugin } from '../isolate/resolve-plugin.ts';
import { checkSdk } from '../plugin-sdk.ts';
import { eventsContract, eventsName } from './events-contract.ts';
import type { ContractSet, ServedContract } from './ports.ts';

const namePattern = /^[a-z][a-z0-9-]{0,62}$/;

async function load(
  plugin: string,
  baseDir: string,
  pluginsDir: string | undefined,
): Promise<ServedContract[]> {
  const resolved = resolvePlugin(plugin, baseDir, pluginsDir);
  checkSdk(resolved);
  const { ingest } = await loadPlugin(resolved.url, 'connector');
  const names = Object.keys(ingest ?? {});
  const bad = names.find((name) => !namePattern.test(name));
  if (ingest === undefined || names.length === 0 || bad !== undefined) {
    throw configError({
      key: 'ingest.plugins',
      expected: `${plugin} to declare ingest contracts under names of lower-case letters, digits and -`,
      found: bad === undefined ? 'none' : JSON.stringify(bad),
      example: "ingest: { plugins: ['@on-the-way/plugin-signal'] }",
    });
  }
  return Object.entries(ingest).map(([name, contract]) => {
    // What only the host's own contract may: any source, and what is to come.
    const { mayBeAhead: _, contractsOf: __, ...declared } = contract as ServedContract;
    const source: unknown = declared.source;
    if (typeof source === 'string' && source !== '') return { ...declared, source, name };
    throw configError({
      key: 'ingest.plugins',
      expected: `the contract ${name} of ${plugin} to name its source`,
      found: source === '' ? 'an empty one' : 'none',
      example: `source: '${name.replaceAll('-', '_')}'`,
    });
  });
}

async function loadAll(
  plugins: readonly string[],
  baseDir: string,
  pluginsDir: string | undefined,
): Promise<ReadonlyMap<string, ServedContract>> {
  const loaded = await Promise.all(plugins.map((plugin) => load(plugin, baseDir, pluginsDir)));
  const byName = new Map<string, ServedContract>();
  for (const contract of loaded.flat()) {
    if (byName.has(contract.name) || contract.name === eventsName) {
      const found = contract.name === eventsName ? "is the host's own, and also" : 'twice';
      throw configError({
        key: 'ingest.plugins',
        expected: 'every contract to be declared by one plugin',
        found: `${contract.name} ${found} in ${plugins.join(', ')}`,
        example: "ingest: { plugins: ['@on-the-way/plugin-signal'] }",
      });
    }
    byName.set(contract.name, contract);
  }
  return byName.set(eventsName, eventsContract(loaded.flat()));
}

/**
 * The contracts of the plugins that a configuration names under `ingest`, and the host's own. They are loaded into this process, when first
 * asked for; what failed to load is tried again by the next question.
 *
 * Its methods reject with a HostError (exit 78) for a plugin that is missing, declares none, or one that is there.
 */
export function createContractSet(
  plugins: readonly string[],
  baseDir: string,
  pluginsDir?: string,
): ContractSet {
  let loading: Promise<ReadonlyMap<string, ServedContract>> | undefined;
  async function contracts(): Promise<ReadonlyMap<string, ServedContract>> {
    loading ??= loadAll(plugins, baseDir, pluginsDir);
    try {
      return await loading;
    } catch (error) {
      loading = undefined;
      throw error;
    }
  }
  return {
    all: async () => [...(await contracts()).values()],
    get: async (name) => (await contracts()).get(name),
  };
}
