import { createPlugin, describeMade, PluginOptionError, type PluginOptions } from '@on-the-way/create-plugin';
import { exitCodes, HostError } from '../host-error.ts';
import { print, printJson } from './output.ts';

/** Options of `otw plugin new`. */
export interface PluginNewOptions extends Omit<PluginOptions, 'name' | 'cwd'> {
  readonly json?: boolean;
}

/** `otw plugin new`: the package of a connector or a sink, with its tests. Asks nothing and overwrites nothing. */
export function pluginNewCommand(name: string, { json, ...options }: PluginNewOptions): number {
  try {
    const made = createPlugin({ ...options, name, cwd: process.cwd() });
    if (json === true) printJson(made);
    else print(describeMade(made));
    return exitCodes.done;
  } catch (error) {
    if (!(error instanceof PluginOptionError)) throw error;
    throw new HostError(exitCodes.usage, error.message, { cause: error });
  }
}
