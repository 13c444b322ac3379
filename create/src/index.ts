/**
 * Makes the package of a connector or a sink.
 *
 * @packageDocumentation
 */
export { createPlugin } from './create-plugin.ts';
export type { MadePlugin } from './create-plugin.ts';
export { PluginOptionError, pluginKinds } from './options.ts';
export type { PluginKind, PluginOptions } from './options.ts';
export { describeMade } from './describe-made.ts';
