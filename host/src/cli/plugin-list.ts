import { exitCodes } from '../host-error.ts';
import { createConnectorPool } from '../isolate/connector-pool.ts';
import type { PluginOrigin } from '../isolate/resolve-plugin.ts';
import { listPlugins, type ListedPlugin, type PluginUse } from '../plugin-list.ts';
import { hostSdkVersion } from '../plugin-sdk.ts';
import { prepare, type GlobalOptions } from './context.ts';
import { paint, print, printJson, say, simulatedNote } from './output.ts';

// Each is loaded in a process of its own.
const atOnce = 2;

const originNames: Readonly<Record<PluginOrigin, string>> = {
  path: 'path',
  folder: 'plugins folder',
  package: 'package',
  host: 'package beside the host',
};

const fitNames = {
  fits: 'fits',
  other_release: 'another release of the same line',
  not_stated: 'not stated',
  wrong: 'does not fit',
} as const;

function useOf({ as, name }: PluginUse): string {
  return as === 'ingest' ? 'ingest' : `${as} ${name}`;
}

function originOf({ from, package: manifest, path }: ListedPlugin): string[] {
  if (from === null) return [];
  const { name = null, version = null } = manifest ?? {};
  const stated = from === 'path' || name === null ? '' : ` ${name} ${version ?? 'without version'}`;
  return [`from      ${originNames[from]}${stated}, ${path}`];
}

function sdkLine({ sdk }: ListedPlugin, host: string): string[] {
  if (!sdk) return [];
  const range = sdk.range === null ? '' : `${sdk.range}, `;
  return [`SDK       ${range}${fitNames[sdk.fit]} (the host has ${host})`];
}

function testedLine({ conformance, facts }: ListedPlugin): string[] {
  if (!facts) return [];
  if (!conformance) return ['checks    not tested'];
  const { passed, failed, skipped, version, sdk, tested_at: at } = conformance;
  const counts = `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
  return [`checks    ${counts} (version ${version}, SDK ${sdk}, ${at})`];
}

function counted(paths: readonly string[], what: string): string {
  return `${paths.length} ${what}${paths.length === 1 ? '' : 's'}`;
}

function permissionLines({ permissions }: ListedPlugin, isLong: boolean): string[] {
  if (!permissions) return [];
  const { runsIn, reads } = permissions;
  if (!reads) return ['may       everything: it runs in the host, with all of its rights'];
  const short = `${counted(reads.own, 'part')} of its own folder, ${counted(reads.packages, 'folder')} of packages`;
  const paths = [...reads.own, ...reads.packages].map((path) => `            ${path}`);
  return [
    `may       read ${short}; use the network`,
    ...(isLong ? paths : []),
    'may not   write files, start processes or workers, load native addons',
    ...(runsIn.includes('host')
      ? ['          its ingest contracts run in the host, with all of its rights']
      : []),
  ];
}

/** Texts of a plugin stay on their line, and set no colours. */
function plain(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
}

function linesOf(one: ListedPlugin, { host, isLong }: { readonly host: string; readonly isLong: boolean }) {
  const { facts, named, usedBy, problem, warnings } = one;
  const mark = problem ? paint('red', 'failed') : paint('green', 'ok    ');
  const title = facts ? `${facts.name} ${facts.version} (${facts.kind}): ${plain(facts.description)}` : named;
  const uses = usedBy.length === 0 ? 'nothing' : usedBy.map(useOf).join(', ');
  const details = [
    ...(problem ? [`${problem.code}: ${plain(problem.message)}`] : []),
    ...warnings.map((warning) => `${paint('yellow', 'warning')}   ${warning}`),
    `used by   ${uses}`,
    ...originOf(one),
    ...sdkLine(one, host),
    ...testedLine(one),
    ...permissionLines(one, isLong),
  ];
  return [`${mark} ${title}`, ...details.map((line) => `       ${line}`)];
}

/** A plugin as `--json` has it. */
function jsonOf({ facts, permissions, problem, usedBy, ...one }: ListedPlugin) {
  const inHost = permissions !== null && permissions.reads === null;
  return {
    name: facts?.name ?? null,
    named: one.named,
    kind: facts?.kind ?? null,
    version: facts?.version ?? null,
    description: facts?.description ?? null,
    source: facts?.source ?? null,
    contracts: facts?.contracts ?? null,
    used_by: usedBy,
    from: one.from,
    path: one.path,
    package: one.package,
    sdk: one.sdk,
    conformance: one.conformance,
    permissions: permissions && {
      runs_in: permissions.runsIn,
      reads: permissions.reads,
      network: true,
      writes: inHost,
      child_processes: inHost,
      workers: inHost,
      addons: inHost,
    },
    problem: problem && { code: problem.code, message: problem.message },
    warnings: one.warnings,
  };
}

/** `otw plugin list`: where each plugin came from, its checks and its permissions. Exit 1 when one cannot be used. */
export async function pluginListCommand(options: GlobalOptions): Promise<number> {
  const { config, redactor } = await prepare(options, 'error');
  const pool = createConnectorPool({ most: atOnce });
  try {
    const plugins = await listPlugins(config, { pool });
    const host = hostSdkVersion();
    if (options.json === true) {
      printJson({ sdk: host, simulated: config.demo, plugins: plugins.map(jsonOf) });
    } else {
      if (config.demo) say(simulatedNote);
      const isLong = options.verbose === true;
      for (const one of plugins)
        for (const line of linesOf(one, { host, isLong })) print(redactor.redact(line));
      if (plugins.length === 0) say('No plugin is configured, and the plugins folder has none.');
    }
    return plugins.some(({ problem }) => problem !== null) ? exitCodes.failed : exitCodes.done;
  } finally {
    await pool.close();
  }
}
