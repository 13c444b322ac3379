import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Connector, Sink } from '@on-the-way/sdk';
import { commonJsManifest } from './package-entry.ts';
import { PluginError, type PluginErrorCode } from './plugin-error.ts';
import { pluginIn, type WantedKind } from './plugin-shape.ts';

// What a plugin may import without having installed it: it then gets what the host has.
const provided = /^(@on-the-way\/sdk|zod)(\/|$)/;

let isProviding = false;

/** What was not to be read; Node names it for some ways of reading and not for others. */
function deniedPath(error: unknown): string {
  const { resource } = error as { readonly resource?: unknown };
  return typeof resource === 'string' && resource !== '' ? `${resource} was refused: ` : '';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** A plugin without a node_modules above it still finds the SDK. One that has a copy of its own is given that one. */
function provideSdk(): void {
  if (isProviding) return;
  isProviding = true;
  registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND' || !provided.test(specifier)) throw error;
        return next(specifier, { ...context, parentURL: import.meta.url });
      }
    },
  });
}

/** What to do about an error that the module at `path` ended with while it was loaded. */
function remedyOf(error: unknown, path: string): readonly [PluginErrorCode, string] {
  // Taken for CommonJS a module is either not to be parsed, or required by itself.
  const isTaken = error instanceof SyntaxError || codeOf(error) === 'ERR_REQUIRE_CYCLE_MODULE';
  const commonJs = isTaken ? commonJsManifest(path) : undefined;
  if (commonJs !== undefined) return ['plugin_not_loaded', `set "type": "module" in ${commonJs}`];
  switch (codeOf(error)) {
    case 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING':
      return [
        'plugin_typescript',
        'Node runs no TypeScript below node_modules: publish JavaScript (tsc, with "exports" naming what it wrote), or name the folder of the sources by its path',
      ];
    case 'ERR_MODULE_NOT_FOUND':
    case 'MODULE_NOT_FOUND':
      return [
        'plugin_not_loaded',
        "install what it imports in its folder (npm install), or correct the import: a relative one has its file's ending",
      ];
    case 'ERR_ACCESS_DENIED':
      return [
        'plugin_not_loaded',
        `${deniedPath(error)}its process may read its own folder and installed packages alone: put what it needs there, and do the rest in login`,
      ];
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
    case 'ERR_INVALID_TYPESCRIPT_SYNTAX':
      return [
        'plugin_not_loaded',
        'Node leaves out types and can do no more: write it without enums, namespaces and parameter properties, or name its compiled JavaScript',
      ];
    default:
      return ['plugin_not_loaded', "correct it, or report it to the plugin's author"];
  }
}

function notLoaded(where: string, cause: unknown): PluginError {
  const [code, todo] = remedyOf(cause, where);
  const found = cause instanceof Error ? `${cause.name}: ${cause.message}` : `a thrown ${typeof cause}`;
  return new PluginError(code, `Expected ${where} to load, found ${found}: ${todo}`, { cause });
}

/** Loads a plugin's module into this process. @throws PluginError */
export async function loadPlugin(url: string, wanted: 'connector'): Promise<Connector>;
export async function loadPlugin(url: string, wanted: 'sink'): Promise<Sink>;
export async function loadPlugin(url: string, wanted: WantedKind): Promise<Connector | Sink>;
export async function loadPlugin(url: string, wanted: WantedKind): Promise<Connector | Sink> {
  const where = fileURLToPath(url);
  provideSdk();
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(url)) as typeof module;
  } catch (cause) {
    throw notLoaded(where, cause);
  }
  return pluginIn(module, wanted, where);
}
