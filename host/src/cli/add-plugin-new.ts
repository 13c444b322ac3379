import type { Command } from 'commander';
import type { PluginNewOptions } from './plugin-new.ts';

/** Adds `otw plugin new` to the group of commands about plugins. */
export function addPluginNew(plugin: Command, done: (exitCode: number) => void): void {
  plugin
    .command('new <name>')
    .description('make the package of a connector or a sink, with its tests')
    .option('--kind <kind>', 'connector or sink (default connector)')
    .option('--directory <folder>', 'where to; empty or not there yet (default: the name)')
    .option('--package <name>', 'name of the package (default otw-plugin-<name> or otw-sink-<name>)')
    .option('--description <text>', 'one sentence')
    .option('--source <id>', 'source_id of every row, of a connector (default: the name)')
    .option('--in-workspace', 'also below a folder whose packages npm installs together')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ otw plugin new steps\n  $ otw plugin new archive --kind sink --package @me/otw-archive',
    )
    .action(async (name: string, options: PluginNewOptions) =>
      done((await import('./plugin-new.ts')).pluginNewCommand(name, options)),
    );
}
