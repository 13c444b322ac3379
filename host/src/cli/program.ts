import { Command, Option, type CommanderError } from 'commander';
import { exitCodes } from '../host-error.ts';
import { roles } from '../roles.ts';
import type { GlobalOptions } from './context.ts';
import type { DeadLettersOptions } from './dead-letters.ts';
import { command, wholeNumber, type Done } from './define-command.ts';
import type { EraseOptions } from './erase.ts';
import type { ExportOptions } from './export.ts';
import type { HealthOptions } from './health.ts';
import type { KeysOptions } from './keys.ts';
import { addPlugins } from './plugin-commands.ts';
import type { SecretsOptions } from './secrets.ts';

/** The commands that read from sources. */
function addWork(program: Command, done: Done): void {
  command(program, 'start', 'run the daemon: scheduler and HTTP API', [
    'otw start',
    'API_PORT=8010 otw start',
    'DATABASE_URL=postgresql://otw@db/otw otw start --role worker',
  ])
    .option('--port <number>', 'port of the API (default 8000; 0 for any)', wholeNumber(65_535))
    .option('--host <address>', 'address of this machine to listen on (default 127.0.0.1)')
    .addOption(
      new Option(
        '--role <role>',
        'what this host does: everything, the API alone, or the runs alone',
      ).choices(roles),
    )
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
    .option('--api <address>', 'host whose API does it (default: the one that is running here)')
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

/** The commands about days of the past: to have them, and to have them anew. */
function addPast(program: Command, done: Done): void {
  command(
    program,
    'backfill [connection]',
    'days of the past, after all that is live; goes on where it stopped',
    [
      'otw backfill garmin --from 2024-05-10 --to 2024-06-01',
      'otw backfill garmin --from 2024-01-01 --dataset sleep,hrv --requests 500 --detach',
      'otw backfill garmin --list',
    ],
  )
    .option('--from <day>', 'first day, YYYY-MM-DD')
    .option('--to <day>', 'last day (default today)')
    .option('--dataset <names>', 'only these, with commas between them')
    .option('--refresh', 'also days that have an answer')
    .option(
      '--requests <number>',
      'requests it may make (default: what the connection may)',
      wholeNumber(999_999_999, 1),
    )
    .option('--detach', 'leave it to the host, and do not wait')
    .option('--list', 'show the backfills of the connection, and how far each has come')
    .option('--cancel <id>', 'end one; what was read is kept')
    .option('--api <address>', 'host whose API does it (default: the one that is running here)')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./backfill.ts')).backfillCommand(name, options)),
    );

  command(
    program,
    'reset [connection]',
    'forget what became of days, so that they are asked for again; asks',
    ['otw reset garmin', 'otw reset garmin --dataset sleep --from 2026-02-01 --to 2026-02-07 --yes'],
  )
    .option('--from <day>', 'only from this day on, YYYY-MM-DD')
    .option('--to <day>', 'only up to this day (default today)')
    .option('--dataset <names>', 'only these, with commas between them')
    .option('--cursors', 'only where datasets without days go on')
    .option('--yes', 'do not ask')
    .option('--api <address>', 'host whose API does it (default: the one that is running here)')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./reset.ts')).resetCommand(name, options)),
    );
}

/** The commands that keep runs from beginning, and deal with what runs left over. */
function addCare(program: Command, done: Done): void {
  for (const verb of ['pause', 'resume'] as const) {
    const summary = verb === 'pause' ? 'keep runs of a connection from beginning' : 'let them begin again';
    command(program, `${verb} [connection]`, summary, [`otw ${verb} garmin`])
      .option('--api <address>', 'host whose API does it (default: the one that is running here)')
      .action(async (name: string | undefined, options: GlobalOptions) =>
        done(await (await import('./pause.ts')).pauseCommand(verb, name, options)),
      );
  }

  command(
    program,
    'dead-letters [action] [id]',
    'what was refused or set aside: list, show, replay or drop',
    [
      'otw dead-letters',
      'otw dead-letters show 7b0c2f6e-3f53-4a3e-9d0c-2f6e3f534a3e',
      'otw dead-letters replay 7b0c2f6e-3f53-4a3e-9d0c-2f6e3f534a3e --payload corrected.json',
    ],
  )
    .option('--connection <name>', 'list: only those of this connection')
    .option('--limit <number>', 'list: how many (default 50)', wholeNumber(1000))
    .option('--payload <file>', 'show: write the payload there; replay: a corrected payload, its key stays')
    .option('--yes', 'drop: do not ask')
    .option('--api <address>', 'host whose API does it (default: the one that is running here)')
    .action(async (action: string | undefined, id: string | undefined, options: DeadLettersOptions) =>
      done(await (await import('./dead-letters.ts')).deadLettersCommand(action, id, options)),
    );
}

/** The commands about a person's data, and the key to the sessions. */
function addPrivacy(program: Command, done: Done): void {
  command(program, 'export', 'everything there is of a person, in files', [
    'otw export --account me@example.com',
    'otw export --account 8c2a47d3bdb8 --out copy --format csv',
  ])
    .option('--account <who>', 'e-mail address, or account_ref')
    .option('--out <folder>', 'where to; must be empty or not there yet (default otw-export-<ref>)')
    .option('--format <format>', 'ndjson, csv or both (default both)')
    .action(async (options: ExportOptions) =>
      done(await (await import('./export.ts')).exportCommand(options)),
    );

  command(program, 'erase', 'delete everything there is of a person, after asking', [
    'otw erase --account me@example.com',
  ])
    .option('--account <who>', 'e-mail address, or account_ref')
    .option('--yes', 'do not ask')
    .action(async (options: EraseOptions) => done(await (await import('./erase.ts')).eraseCommand(options)));

  command(program, 'secrets <action>', 'rotate: encrypt the saved sessions with a new key', [
    'otw secrets rotate',
    'otw secrets rotate --to /home/me/new-session.key',
  ])
    .option(
      '--to <file>',
      'file of the new key where the key is given from outside; made where it is missing',
    )
    .action(async (action: string, options: SecretsOptions) =>
      done(await (await import('./secrets.ts')).secretsCommand(action, options)),
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
    'otw coverage garmin --revisions',
  ])
    .option('--from <day>', 'first day (default: the first one wanted)')
    .option('--to <day>', 'last day (default today)')
    .option('--gaps', 'list what is missing and why')
    .option('--revisions', 'list the days that the source changed after they were first read')
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
}

function addUpkeep(program: Command, done: Done): void {
  command(program, 'check [connection]', 'configuration, database, login and one cheap read', [
    'otw check garmin',
  ])
    .option('--api <address>', 'host whose API does it (default: the one that is running here)')
    .action(async (name: string | undefined, options: GlobalOptions) =>
      done(await (await import('./check.ts')).checkCommand(name, options)),
    );

  command(program, 'health', 'whether the host is ready, for health checks; exit 0 or 69', [
    'otw health',
    'otw health --url http://127.0.0.1:8010',
  ])
    .option('--url <address>', 'address of the host that is asked (default this one)')
    .action(async (options: HealthOptions) =>
      done(await (await import('./health.ts')).healthCommand(options)),
    );

  command(program, 'keys [action] [key]', 'keys of the HTTP API: create, list or revoke', [
    'otw keys create --name phone --scope ingest --expires 90d',
    'otw keys list',
    'otw keys revoke otw_AbCdEfGh',
  ])
    .option('--name <name>', 'create: who or what uses the key')
    .option('--scope <scopes>', 'create: ingest, read or admin, with commas between them')
    .option('--expires <duration>', 'create: when it ends, such as 90d (default never)')
    .action(async (action: string | undefined, key: string | undefined, options: KeysOptions) =>
      done(await (await import('./keys.ts')).keysCommand(action, key, options)),
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
  addPast(program, done);
  addCare(program, done);
  addSessions(program, done);
  addPrivacy(program, done);
  addLooks(program, done);
  addUpkeep(program, done);
  addPlugins(program, done);
  return program;
}

/** Exit code for what commander itself ended with: 0 for help and version, 2 for wrong usage. */
export function usageExitCode(error: CommanderError): number {
  return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
}
