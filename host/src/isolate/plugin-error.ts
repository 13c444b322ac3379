import { exitCodes, HostError } from '../host-error.ts';

/** Why a plugin cannot be used, before any of its verbs is called. Headings of the same names stand in docs/errors.md. */
export const pluginErrorCodes = [
  'plugin_not_found',
  'plugin_ambiguous',
  'plugin_wrong_sdk',
  'plugin_typescript',
  'plugin_not_loaded',
  'plugin_no_default',
  'plugin_bad_shape',
  'plugin_wrong_kind',
  'plugin_duplicate',
] as const;

/** One of {@link pluginErrorCodes}. */
export type PluginErrorCode = (typeof pluginErrorCodes)[number];

/** A plugin that cannot be used (exit 78): the message says what was expected, what was found and what to do. */
export class PluginError extends HostError {
  readonly code: PluginErrorCode;

  constructor(code: PluginErrorCode, message: string, options?: { readonly cause: unknown }) {
    super(exitCodes.badConfig, message, options);
    this.code = code;
  }

  /** The error of this code, as it came over a process boundary; undefined for a code of others. */
  static of(code: string, message: string): PluginError | undefined {
    const known = pluginErrorCodes.find((candidate) => candidate === code);
    return known && new PluginError(known, message);
  }
}
