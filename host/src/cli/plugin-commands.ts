import type { Command } from 'commander';
import { addPluginNew } from './add-plugin-new.ts';
import { addPluginTest } from './add-plugin-test.ts';
import type { GlobalOptions } from './context.ts';
import { command, type Done } from './define-command.ts';

function addPluginList(plugin: Command, done: Done): void {
  command(
    plugin,
    'list',
    'where each plugin came from, its checks and its permissions',
    ['otw plugin list', 'otw plugin list --json'],
    { isDefault: true },
  ).action(async (options: GlobalOptions) =>
    done(await (await import('./plugin-list.ts')).pluginListCommand(options)),
  );
}

/** The commands for plugins and their authors; each in a file of its own, loaded when it runs. */
export function addPlugins(program: Command, done: Done): void {
  const plugin = program.command('plugin').description('make, test and list plugins');
  addPluginList(plugin, done);
  addPluginNew(plugin, done);
  addPluginTest(plugin, done);
}
