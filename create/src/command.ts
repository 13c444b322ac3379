import { parseArgs } from 'node:util';
import { createPlugin } from './create-plugin.ts';
import { describeMade } from './describe-made.ts';
import { PluginOptionError } from './options.ts';

const help = `Usage: npm create @on-the-way/plugin@latest NAME -- [options]

Makes the package of a connector or a sink for on the way, with its tests. Asks nothing.

Options:
  --kind <kind>         connector or sink (default connector)
  --directory <folder>  where to; empty or not there yet (default NAME)
  --package <name>      name of the package (default otw-plugin-NAME or otw-sink-NAME)
  --description <text>  one sentence
  --source <id>         source_id of every row, of a connector (default NAME)
  --in-workspace        also below a folder whose packages npm installs together
  --json                print JSON
  -h, --help            show this

Examples:
  $ npm create @on-the-way/plugin@latest steps
  $ npm create @on-the-way/plugin@latest archive -- --kind sink --package @me/otw-archive
`;

const options = {
  kind: { type: 'string' },
  directory: { type: 'string' },
  package: { type: 'string' },
  description: { type: 'string' },
  source: { type: 'string' },
  'in-workspace': { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw new PluginOptionError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function make(args: readonly string[]): string {
  const { values, positionals } = parse(args);
  const { help: wantsHelp, json, 'in-workspace': inWorkspace, ...rest } = values;
  if (wantsHelp === true) return help.trimEnd();
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) {
    throw new PluginOptionError(
      `Expected one name, found ${positionals.length === 0 ? 'none' : positionals.join(' ')}; ` +
        'for example npm create @on-the-way/plugin@latest steps',
    );
  }
  const made = createPlugin({ ...rest, name, ...(inWorkspace !== undefined && { inWorkspace }) });
  return json === true ? JSON.stringify(made) : describeMade(made);
}

/** The command of `npm create @on-the-way/plugin`; gives the exit code: 0 made, 2 something cannot be used as it was given. */
export function runCommand(args: readonly string[]): number {
  try {
    process.stdout.write(`${make(args)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof PluginOptionError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}
