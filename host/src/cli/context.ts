import { loadConfig, type CommandLine } from '../config/load-config.ts';
import type { ConnectionConfig, HostConfig } from '../config/host-config.ts';
import { readEnvironment } from '../config/variables.ts';
import type { Host } from '../container.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { createLog, type HostLog } from '../log.ts';
import { createRedactor, type Redactor } from '../redact.ts';
import { readsSources } from '../roles.ts';
import type { Storage } from '../storage/open-storage.ts';

/** Options every command takes. */
export interface GlobalOptions extends CommandLine {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Configuration, log and redaction: what a command has before it opens anything. */
export interface Preparation {
  readonly config: HostConfig;
  readonly log: HostLog;
  readonly redactor: Redactor;
}

/** Everything a command works with. */
export interface CommandContext extends Preparation {
  readonly storage: Storage;
  readonly host: Host;
  close(): Promise<void>;
}

function secretsOf({ config }: Pick<ConnectionConfig, 'config'>): string[] {
  const named = Object.entries(config).filter(([key]) =>
    /password|secret|token|apikey$|code|email/i.test(key),
  );
  // The day a key expires is no secret, and a day would be taken out of every line.
  return named.flatMap(([, value]) => (typeof value === 'string' ? [value] : []));
}

function passwordOf(url: string | undefined): string[] {
  const password = url === undefined ? undefined : URL.parse(url)?.password;
  return password ? [password, decodeURIComponent(password)] : [];
}

/** Reads the configuration and makes a log that already knows its secrets. */
export async function prepare(
  options: GlobalOptions,
  defaultLevel: string,
  preferReal = true,
): Promise<Preparation> {
  const config = await loadConfig({
    cwd: process.cwd(),
    env: process.env,
    commandLine: { ...options, preferReal },
  });
  const redactor = createRedactor();
  const { sessionKey } = config;
  redactor.add([
    ...config.connections.flatMap(secretsOf),
    ...Object.values(config.sinks).flatMap(secretsOf),
    ...passwordOf(config.databaseUrl),
    // Taken by pg where the address has none, as in compose.yaml.
    ...(process.env['PGPASSWORD'] ? [process.env['PGPASSWORD']] : []),
    ...(sessionKey && 'value' in sessionKey ? [sessionKey.value] : []),
    ...(config.notify ? Object.values(config.notify) : []),
    ...(config.http.apiKey === undefined ? [] : [config.http.apiKey]),
  ]);
  const level =
    options.verbose === true ? 'debug' : (readEnvironment(process.env).OTW_LOG_LEVEL ?? defaultLevel);
  const pretty = process.stderr.isTTY === true && options.json !== true;
  const log = createLog({ redactor, level, pretty, write: (text) => process.stderr.write(text) });
  for (const warning of config.warnings) log.warn(warning);
  return { config, log, redactor };
}

/**
 * Opens database and graph for a command; `close` undoes it in order, also the part that was opened when
 * the rest failed.
 */
export async function openContext(
  options: GlobalOptions,
  needs: {
    readonly role: string;
    readonly exclusive?: boolean;
    readonly source?: boolean;
    readonly logLevel?: string;
  },
): Promise<CommandContext> {
  // Only the daemon begins a demo beside real data: every other command is about what is there.
  const prepared = await prepare(options, needs.logLevel ?? 'warn', needs.role !== 'start');
  const { log, redactor } = prepared;
  const undo: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    let { config } = prepared;
    if (config.demo && needs.source === true) {
      const { startDemo } = await import('../demo.ts');
      const demo = await startDemo(config);
      undo.push(() => demo.close());
      config = demo.config;
    }
    // Loaded here, since what goes through the API of another host does without, and while Postgres starts.
    const { openStorage } = await import('../storage/open-storage.ts');
    const parts = Promise.all([import('../storage/migrate.ts'), import('../container.ts')]);
    const storage = await openStorage(config, {
      role: needs.role,
      exclusive: needs.exclusive ?? false,
      log: (message) => log.debug(message),
    });
    undo.push(() => storage.close());
    redactor.add(passwordOf(storage.url));
    const [{ migrate }, { buildHost }] = await parts;
    await migrate(storage.url, config.timeZone);
    const host = buildHost({
      config,
      databaseUrl: storage.url,
      clock: { now: () => Date.now() },
      log,
      redactor,
      ...(needs.role !== 'start' && { processKind: needs.role }),
    });
    undo.push(() => host.close());
    // A daemon without a scheduler uses no session: the hosts that do have the key.
    const idle = needs.role === 'start' && !readsSources(config.role);
    if (needs.source === true && !idle) await host.sessions.checkKey();
    await host.connections.ensure(config.connections.map(({ name }) => name));
    return { config, log, redactor, storage, host, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Opens, works, closes, whatever happens; resolves with the command's exit code. */
export async function withContext(
  options: GlobalOptions,
  needs: Parameters<typeof openContext>[1],
  work: (context: CommandContext) => Promise<number>,
): Promise<number> {
  const context = await openContext(options, needs);
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

/** The connection a command names; the only one where it names none. */
export function chosenConnection(config: HostConfig, name: string | undefined): ConnectionConfig {
  const { connections } = config;
  const names = connections.map((connection) => connection.name).join(', ');
  const only = connections.length === 1 ? connections[0] : undefined;
  const found = name === undefined ? only : connections.find((connection) => connection.name === name);
  if (found) return found;
  throw new HostError(
    exitCodes.usage,
    `Expected a connection (${names}), found ${name ?? 'none'}; for example otw run garmin`,
  );
}
