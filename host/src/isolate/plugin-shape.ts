import type { Connector, Sink } from '@on-the-way/sdk';
import { PluginError } from './plugin-error.ts';

/** What a plugin is wanted as; `any` takes both. */
export type WantedKind = 'connector' | 'sink' | 'any';

/** What a member must be; undefined when it is, else what was expected. */
type Check = (value: unknown) => string | undefined;

const namePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/;
// As semver.org has it.
const versionPattern =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;
const longestVersion = 32;

const aFunction: Check = (value) => (typeof value === 'function' ? undefined : 'a function');
const aText: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'a text');
const aName: Check = (value) =>
  typeof value === 'string' && namePattern.test(value)
    ? undefined
    : '1 to 64 lower-case letters, digits, - and _, a letter or digit first';
const aVersion: Check = (value) =>
  typeof value === 'string' && value.length <= longestVersion && versionPattern.test(value)
    ? undefined
    : `a semantic version such as 0.1.0, at most ${longestVersion} characters`;
const aSchema: Check = (value) =>
  typeof value === 'object' && value !== null && 'safeParse' in value && typeof value.safeParse === 'function'
    ? undefined
    : 'a zod schema';
const ifThere =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);
const runAlone: Check = (value) => (value === 'run' ? undefined : "'run'");
const aTable: Check = (value) => (typeof value === 'object' && value !== null ? undefined : 'a table');

const common = { name: aName, version: aVersion, description: aText, config: aSchema };

const members: Readonly<Record<'connector' | 'sink', Readonly<Record<string, Check>>>> = {
  connector: {
    ...common,
    source: aText,
    service: aText,
    login: aFunction,
    account: aFunction,
    listDatasets: aFunction,
    fetch: aFunction,
    fetchSince: aFunction,
    check: ifThere(aFunction),
    lastChange: ifThere(aFunction),
    dayMarks: ifThere(aFunction),
    logout: ifThere(aFunction),
    isolation: ifThere(runAlone),
    ingest: ifThere(aTable),
  },
  sink: { ...common, open: aFunction },
};

const makers = { connector: 'defineConnector', sink: 'defineSink' } as const;

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null;
}

function kindOf(value: unknown): 'connector' | 'sink' | undefined {
  const kind = isTable(value) ? value['kind'] : undefined;
  return kind === 'connector' || kind === 'sink' ? kind : undefined;
}

/** A value in a message: what kind of thing it is, and a short text as it is. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : typeof value === 'function' ? 'a function' : 'an object';
}

function noDefault(module: Readonly<Record<string, unknown>>, where: string): PluginError {
  const named = Object.keys(module).find((name) => kindOf(module[name]) !== undefined);
  const kind = named === undefined ? undefined : kindOf(module[named]);
  const todo = named
    ? `its export ${named} is a ${kind}: export default ${named}`
    : 'end it with export default defineConnector({…})';
  return new PluginError(
    'plugin_no_default',
    `Expected ${where} to have a default export, found none: ${todo}`,
  );
}

/** Written by hand, or something else altogether. */
function noPlugin(value: unknown, where: string): PluginError {
  const inner = isTable(value) && kindOf(value['default']);
  const isHandmade = isTable(value) && ('fetch' in value || 'login' in value || 'datasets' in value);
  const todo = inner
    ? 'compile it to ES modules ("type": "module" in its package.json), since its default lies within another default'
    : isHandmade
      ? 'it looks like the definition of a connector: put it into defineConnector(…)'
      : 'make it with defineConnector({…}) or defineSink({…})';
  return new PluginError(
    'plugin_bad_shape',
    `Expected the default export of ${where} to be a connector or a sink, found ${shown(value)}: ${todo}`,
  );
}

function wrongKind(found: 'connector' | 'sink', wanted: 'connector' | 'sink', where: string): PluginError {
  const place = { connector: 'connections', sink: 'sinks' }[found];
  return new PluginError(
    'plugin_wrong_kind',
    `Expected ${where} to be a ${wanted}, found a ${found}: name it under ${place} of the configuration, and a ${wanted} here`,
  );
}

/**
 * The plugin that a loaded module exports. Its members are looked at one by one, since it may have been made by hand, or
 * by another version of the SDK.
 *
 * @throws PluginError `plugin_no_default`, `plugin_bad_shape` with every member that is missing or wrong, or
 * `plugin_wrong_kind`.
 */
export function pluginIn(
  module: Readonly<Record<string, unknown>>,
  wanted: WantedKind,
  where: string,
): Connector | Sink {
  if (!('default' in module)) throw noDefault(module, where);
  const plugin: unknown = module['default'];
  const kind = kindOf(plugin);
  if (kind === undefined || !isTable(plugin)) throw noPlugin(plugin, where);
  if (wanted !== 'any' && kind !== wanted) throw wrongKind(kind, wanted, where);
  const wrong = Object.entries(members[kind]).flatMap(([name, check]) => {
    const expected = check(plugin[name]);
    return expected === undefined ? [] : [`${name}: expected ${expected}, found ${shown(plugin[name])}`];
  });
  if (wrong.length > 0) {
    throw new PluginError(
      'plugin_bad_shape',
      `Expected the default export of ${where} to be a ${kind} as ${makers[kind]} makes it; ${wrong.join('; ')}: correct these`,
    );
  }
  // Every member was looked at.
  return plugin as unknown as Connector | Sink;
}
