import { InvalidArgumentError, type Command, type CommandOptions } from 'commander';

/** Reads an option that is a whole number. */
export function wholeNumber(max: number, min = 0): (text: string) => number {
  return (text) => {
    if (/^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
    throw new InvalidArgumentError(`expected a whole number ${min > 0 ? `from ${min} ` : ''}up to ${max}`);
  };
}

/** Adds a command with what every one takes, and examples to its help. */
export function command(
  program: Command,
  usage: string,
  summary: string,
  examples: readonly string[],
  settings: CommandOptions = {},
): Command {
  const lines = examples.map((example) => `  $ ${example}`).join('\n');
  return program
    .command(usage, settings)
    .description(summary)
    .option('--config <path>', 'configuration file (default: otw.config.ts, .mjs, .json or .yaml here)')
    .option('--json', 'print JSON')
    .option('-v, --verbose', 'tell more on stderr')
    .addHelpText('after', `\nExamples:\n${lines}`);
}

/** Told the exit code of the command that ran. */
export type Done = (exitCode: number) => void;
