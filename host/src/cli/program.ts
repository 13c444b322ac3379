import { Command, InvalidArgumentError, type CommanderError } from 'commander';
import { exitCodes } from '../host-error.ts';
import type { GlobalOptions } from './context.ts';

function wholeNumber(max: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,9}$/.test(text) && Number(text) <= max) return Number(text);
    throw new InvalidArgumentError(`expected a whole number up to ${max}`);
  };
}

/** Adds what every command takes, and examples to its help. */
function command(program: Command, usage: string, summary: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`).join('\n');
  return program
    .command(usage)
    .description(summary)
    .option('--config <path>', 'configuration file (default: otw.config.ts, .mjs, .json or .yaml here)')
    .option('--json', 'print JSON')
    .option('-v, --verbose', 'tell more on stderr')
    .addHelpText('after', `\nExamples:\n${lines}`);
}

type Done = (exitCode: number) => void;

/** The commands that read from sources. */
function addWork(program: Command, done: Done): void {
  command(program, 'start', 'run the daemon: scheduler and HTTP API', [
    'otw start',
    'API_PORT=8010 otw start',
  ])
    .option('--port <number>', 'port of the API (default 8000; 0 for any)', wholeNumber(65_535))
    .option('--host <address>', 'address of this machine to listen on (default 127.0.0.1)')
    .action(async (options: GlobalOptions) => done(await (await import('./start.ts')).startCommand(options)));

  command(program, 'run [connection]', 'one run now, in the foreground', [
    'otw run garmin',
    'otw run garmin --from 2026-02-01 --to 2026-02-28 --dataset sleep,hrv',
  ])
    .option('--from <day>', 'first day, YYYY-MM-DD: read these days, whatever is known of them')
    .option('--to <day>', 'last day (default today)')
    .option('--dataset <names>', 'only these, with commas between them')
    .option('--dry-run', 'log in and show the plan; read and write nothing')
    .option('--in-process', 'run the connector in this process, for debugging a plugin')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./run.ts')).runCommand(name, options)),
    );

  command(program, 'record [connection]', 'a redacted recording of your own answers, to share and replay', [
    'otw record garmin --redact --out recording',
    'otw record garmin --redact --out recording --from 2026-02-01 --to 2026-02-03 --dataset sleep',
  ])
    .option('--redact', 'take out names, ids, places and times; nothing is recorded without it')
    .option('--out <folder>', 'where to; must be empty or not there yet')
    .option('--from <day>', 'first day, YYYY-MM-DD (default: the last 7 days)')
    .option('--to <day>', 'last day (default today)')
    .option('--dataset <names>', 'only these, with commas between them')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./record.ts')).recordCommand(name, options)),
    );
}

/** The commands about who is signed in. */
function addSessions(program: Command, done: Done): void {
  command(
    program,
    'login [connection]',
    'sign in anew: with a password, tokens of another program, or a ticket',
    ['otw login garmin', 'otw login garmin --import ~/.garminconnect', 'otw login garmin --ticket'],
  )
    .option('--import [path]', 'tokens of another program: a file, a folder, their content, or - for stdin')
    .option('--ticket [ticket]', 'a ticket your own browser was given, or the address it stands in')
    .option('--code <code>', 'the code the source sent, where it asked for one before')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./login.ts')).loginCommand(name, options)),
    );

  command(program, 'logout [connection]', 'forget the saved session; what was read is kept', [
    'otw logout garmin',
    'otw logout garmin --yes',
  ])
    .option('--yes', 'do not ask')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./logout.ts')).logoutCommand(name, options)),
    );
}

/** The commands that look at what is there. */
function addLooks(program: Command, done: Done): void {
  command(program, 'datasets [connection]', 'what can be read, and what was last seen of it', [
    'otw datasets garmin',
  ]).action(async (name: string | undefined, options: GlobalOptions) =>
    done(await (await import('./datasets.ts')).datasetsCommand(name, options)),
  );

  command(program, 'coverage [connection]', 'the ledger: a day by dataset grid', [
    'otw coverage garmin',
    'otw coverage garmin --gaps',
  ])
    .option('--from <day>', 'first day (default: the first one wanted)')
    .option('--to <day>', 'last day (default today)')
    .option('--gaps', 'list what is missing and why')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./coverage.ts')).coverageCommand(name, options)),
    );

  command(program, 'status', 'how each connection stands', ['otw status', 'otw status --json']).action(
    async (options: GlobalOptions) => done(await (await import('./status.ts')).statusCommand(options)),
  );

  command(program, 'runs [connection]', 'the newest runs', ['otw runs garmin --limit 5'])
    .option('--limit <number>', 'how many (default 20)', wholeNumber(1000))
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./status.ts')).runsCommand(name, options)),
    );

  command(program, 'query <sql>', 'read-only SQL against the store', [
    `otw query "select payload_json->>'metric_type', count(*) from raw.raw_event group by 1"`,
  ]).action(async (sql: string, options: GlobalOptions) =>
    done(await (await import('./query.ts')).queryCommand(sql, options)),
  );

  command(program, 'check [connection]', 'configuration, database, login and one cheap read', [
    'otw check garmin',
  ]).action(async (name: string | undefined, options: GlobalOptions) =>
    done(await (await import('./check.ts')).checkCommand(name, options)),
  );

  command(program, 'doctor', 'what a start needs, a line each, ok or the remedy', ['otw doctor']).action(
    async (options: GlobalOptions) => done(await (await import('./doctor.ts')).doctorCommand(options)),
  );
}

/**
 * Builds the command line. Each command's code is loaded when it runs, so that `--version` need not wait for it;
 * `done` is told the exit code of the command that ran.
 */
export function createProgram(version: string, done: Done): Command {
  const program = new Command('otw');
  program
    .description(
      'Your data out of other people’s services and into your own Postgres, completely and provably.',
    )
    .version(version)
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ showGlobalOptions: true });

  addWork(program, done);
  addSessions(program, done);
  addLooks(program, done);
  return program;
}

/** Exit code for what commander itself ended with: 0 for help and version, 2 for wrong usage. */
export function usageExitCode(error: CommanderError): number {
  return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
}
