import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defaultPolicySettings, type PolicySettings } from '@on-the-way/core';
import { configError } from '../host-error.ts';
import type { Role } from '../roles.ts';
import { readDataDirLock } from '../storage/data-dir-lock.ts';
import { sessionKeyIn, type SessionKeyPlace } from '../storage/session-key.ts';
import { defaultRequests, seconds, type FileConfig } from './file-schema.ts';
import { garminConnection } from './garmin-connection.ts';
import type { ConnectionConfig, HostConfig, SinkConfig } from './host-config.ts';
import { doorsOf } from './http-config.ts';
import { notifyOf } from './notify-config.ts';
import { absolute, readConfigFile } from './read-file.ts';
import { shownText } from './shown-value.ts';
import { readEnvironment, refused, variables, type Environment } from './variables.ts';

/** What the command line may set. */
export interface CommandLine {
  readonly config?: string;
  readonly port?: number;
  readonly host?: string;
  readonly role?: Role;
  /** Look at real data where there is some, also without the variables it was read with. */
  readonly preferReal?: boolean;
}

const postgresSink: SinkConfig = { plugin: '@on-the-way/sink-postgres', config: {} };

/** A worker host that posts to another host's ingest API. */
function httpSink(env: Environment): Record<string, SinkConfig> {
  if (env.API_BASE_URL === undefined) return {};
  const url = env.API_BASE_URL + (env.CONNECTOR_INGEST_PATH ?? '/v1/ingest/connector-health');
  const timeoutSeconds = env.CONNECTOR_REQUEST_TIMEOUT_SECONDS ?? 10;
  const apiKey = env.OTW_API_KEY;
  const config = { url, timeoutSeconds, ...(apiKey !== undefined && { apiKey }) };
  return { http: { plugin: '@on-the-way/sink-http', config } };
}

/** Invented rows go to a database of their own, and only when nobody configured anything real. */
function isDemo(file: FileConfig | undefined, env: Environment): boolean {
  return (
    !file &&
    env.DATABASE_URL === undefined &&
    env.API_BASE_URL === undefined &&
    !Object.keys(env).some((key) => key.startsWith('GARMIN_'))
  );
}

/** Data of a real account lies there, and it is not the demo that is running now. */
function hasRealData(rootDir: string): boolean {
  if (!existsSync(join(rootDir, 'postgres'))) return false;
  return readDataDirLock(rootDir) !== undefined || readDataDirLock(join(rootDir, 'demo')) === undefined;
}

function postgresOf(file: FileConfig | undefined, env: Environment): string | undefined {
  if (file?.database === undefined) return env.DATABASE_URL;
  const url = variables.DATABASE_URL.parse(file.database);
  if (url !== undefined) return url;
  const { example } = variables.DATABASE_URL;
  throw refused(variables.DATABASE_URL, { key: 'database', text: file.database, example });
}

/** What systemd hands a service with LoadCredential=otw-session-key:…; undefined where it hands none. */
function credentialOf(directory: string | undefined): string | undefined {
  const file = directory === undefined || directory === '' ? undefined : join(directory, 'otw-session-key');
  return file !== undefined && existsSync(file) ? file : undefined;
}

function sessionKeyPlace(
  env: Environment,
  { dataDir, credentials }: { readonly dataDir: string; readonly credentials: string | undefined },
): SessionKeyPlace {
  if (env.OTW_SESSION_KEY !== undefined) return { value: env.OTW_SESSION_KEY };
  if (env.OTW_SESSION_KEY_FILE !== undefined) return { file: env.OTW_SESSION_KEY_FILE, created: false };
  const file = credentialOf(credentials);
  return file === undefined ? sessionKeyIn(dataDir) : { file, created: false, groupMayRead: true };
}

/** The address to listen on, from the first place that gives one. */
function boundTo(given: Readonly<Record<string, string | undefined>>): string {
  const [key, host] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (key === undefined || host === undefined) return '127.0.0.1';
  const { OTW_HOST: variable } = variables;
  if (variable.parse(host) !== undefined) return host;
  throw refused(variable, { key, text: host, example: variable.example });
}

function fileConnection(
  name: string,
  connection: NonNullable<FileConfig['connections']>[string],
  context: {
    readonly baseDir: string;
    readonly dataDir: string;
    readonly timeZone: string;
    readonly env: Environment;
  },
): ConnectionConfig {
  const { env, baseDir, dataDir } = context;
  const {
    requestsPerRun = env.CONNECTOR_REQUESTS_PER_RUN ?? defaultRequests.requestsPerRun,
    requestsPerDay = env.CONNECTOR_REQUESTS_PER_DAY ?? defaultRequests.requestsPerDay,
    ...ownPolicies
  } = connection.policies ?? {};
  const policies: PolicySettings = {
    ...defaultPolicySettings,
    ...(env.CONNECTOR_RETRY_ATTEMPTS !== undefined && { attempts: env.CONNECTOR_RETRY_ATTEMPTS }),
    ...Object.fromEntries(Object.entries(ownPolicies).filter(([, value]) => value !== undefined)),
  };
  return {
    name,
    plugin: connection.plugin,
    config: connection.config ?? {},
    intervalSeconds:
      connection.every === undefined ? (env.CONNECTOR_INTERVAL_SECONDS ?? 3600) : seconds(connection.every),
    windowDays: connection.windowDays ?? 3,
    backfillDays: connection.backfillDays ?? 10,
    timeZone: connection.timeZone ?? context.timeZone,
    sink: connection.sink ?? 'postgres',
    tokenDir: connection.tokenDir ? absolute(baseDir, connection.tokenDir) : join(dataDir, 'tokens', name),
    ...(env.CONNECTOR_VERSION !== undefined && { connectorVersion: env.CONNECTOR_VERSION }),
    policies,
    ...(connection.limits && { limits: connection.limits }),
    ...(connection.freshProcess !== undefined && { freshProcess: connection.freshProcess }),
    requestsPerRun,
    requestsPerDay,
  };
}

/** The plugins folder, where something names one. */
function pluginsDirOf(
  file: FileConfig | undefined,
  env: Environment,
  { cwd, baseDir }: { readonly cwd: string; readonly baseDir: string },
): Pick<HostConfig, 'pluginsDir'> {
  if (env.OTW_PLUGINS_DIR !== undefined) return { pluginsDir: absolute(cwd, env.OTW_PLUGINS_DIR) };
  return file?.pluginsDir === undefined ? {} : { pluginsDir: absolute(baseDir, file.pluginsDir) };
}

/** Each connection must name a sink that is there. */
function checkSinks(
  connections: readonly ConnectionConfig[],
  sinks: Readonly<Record<string, SinkConfig>>,
): void {
  for (const { name, sink } of connections) {
    if (Object.hasOwn(sinks, sink)) continue;
    throw configError({
      key: `connections.${name}.sink`,
      expected: `one of ${Object.keys(sinks).join(', ')}`,
      found: shownText(sink),
      example: "sink: 'postgres'",
    });
  }
}

/**
 * The host's configuration: command line, then environment, then file, then defaults; a file's
 * connections take the place of the one the GARMIN_ variables make (docs/configuration.md).
 *
 * @throws HostError (exit 78) with one line that names the key and shows a good value.
 */
export async function loadConfig(options: {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly commandLine?: CommandLine;
}): Promise<HostConfig> {
  const { cwd, commandLine = {} } = options;
  const env = readEnvironment(options.env);
  const read = await readConfigFile(cwd, commandLine.config);
  const file = read?.content;
  const baseDir = read ? dirname(read.path) : cwd;
  const rootDir = env.OTW_DATA_DIR
    ? absolute(cwd, env.OTW_DATA_DIR)
    : absolute(baseDir, file?.dataDir ?? '.otw');
  const demo = isDemo(file, env) && !(commandLine.preferReal === true && hasRealData(rootDir));
  const dataDir = demo ? join(rootDir, 'demo') : rootDir;
  const timeZone = env.OTW_TIMEZONE ?? file?.timeZone ?? 'Asia/Shanghai';
  const databaseUrl = postgresOf(file, env);
  const context = { baseDir, dataDir, timeZone: file?.timeZone ?? 'Asia/Shanghai', env };
  const connections = file?.connections
    ? Object.entries(file.connections).map(([name, connection]) => fileConnection(name, connection, context))
    : [garminConnection(env, { demo, dataDir })];
  const fileSinks = Object.entries(file?.sinks ?? {}).map(([name, { plugin, config = {} }]) => [
    name,
    { plugin, config },
  ]);
  const sinks = {
    postgres: postgresSink,
    ...httpSink(env),
    ...(Object.fromEntries(fileSinks) as Record<string, SinkConfig>),
  };
  checkSinks(connections, sinks);
  const host = boundTo({ '--host': commandLine.host, OTW_HOST: env.OTW_HOST, host: file?.host });
  return {
    demo,
    role: commandLine.role ?? env.OTW_ROLE ?? file?.role ?? 'all',
    origin: read?.path ?? 'the environment',
    baseDir,
    ...pluginsDirOf(file, env, { cwd, baseDir }),
    dataDir,
    sessionKey: sessionKeyPlace(env, { dataDir, credentials: options.env['CREDENTIALS_DIRECTORY'] }),
    ...(databaseUrl !== undefined && { databaseUrl }),
    timeZone,
    host,
    port: commandLine.port ?? file?.port ?? env.API_PORT ?? 8000,
    ...doorsOf(file, env, host),
    ...notifyOf(file, env),
    ...(file?.connectorProcesses !== undefined && { connectorProcesses: file.connectorProcesses }),
    ...(file?.runsAtOnce !== undefined && { runsAtOnce: file.runsAtOnce }),
    requestFutureToleranceMinutes: env.REQUEST_FUTURE_TOLERANCE_MINUTES ?? 5,
    connections,
    sinks,
    warnings: [],
  };
}
