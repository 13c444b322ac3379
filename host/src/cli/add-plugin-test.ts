import type { Command } from 'commander';
import type { PluginTestOptions } from './plugin-test.ts';

/** Adds `otw plugin test` to the group of commands about plugins. */
export function addPluginTest(plugin: Command, done: (exitCode: number) => void): void {
  plugin
    .command('test [path]')
    .description('the conformance suite, on a plugin: the folder of its package (default: here), or a module')
    .option('--json', 'print JSON')
    .option('--only <numbers>', 'only these checks, with commas between them')
    .option('--publish', 'write conformance.json and published.json beside package.json where all is well')
    .addHelpText(
      'after',
      '\nExamples:\n  $ otw plugin test\n  $ otw plugin test ./my-plugin --only 1,2,6\n  $ otw plugin test ./my-connector.ts --json',
    )
    .action(async (path: string | undefined, options: PluginTestOptions) =>
      done(await (await import('./plugin-test.ts')).pluginTestCommand(path ?? '.', options)),
    );
}
