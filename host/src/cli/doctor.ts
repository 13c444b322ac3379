import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { z } from 'zod';
import { createApiClient } from '../api-client.ts';
import type { HostConfig } from '../config/host-config.ts';
import { exitCodes } from '../host-error.ts';
import { accessOf } from '../http/usable-key.ts';
import { createConnectorPool } from '../isolate/connector-pool.ts';
import { listPlugins, type ListedPlugin, type PluginUse } from '../plugin-list.ts';
import { readDataDirLock } from '../storage/data-dir-lock.ts';
import type { SessionStore } from '../storage/session-store.ts';
import { openContext, prepare, type CommandContext, type GlobalOptions } from './context.ts';
import { ownOrigin } from './health.ts';
import { paint, print, printJson } from './output.ts';

/** A line of the doctor: what was looked at, and either what was found or what to do. */
interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

const neededMajor = 24;
const mostSkewMs = 60_000;

function checkNode(): Finding {
  const ok = Number(process.versions.node.split('.')[0]) >= neededMajor;
  return {
    what: 'node',
    ok,
    detail: ok ? process.version : `expected ${neededMajor} or later, found ${process.version}: install it`,
  };
}

/** The nearest folder on the way up that is there already. */
function existing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existing(dirname(path));
}

function checkDataDir({ dataDir }: HostConfig): Finding {
  const what = 'data directory';
  const folder = existing(dataDir);
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return {
      what,
      ok: false,
      detail: `expected to write in ${folder}, cannot: set OTW_DATA_DIR to a folder of yours`,
    };
  }
  if (folder === dataDir && (statSync(dataDir).mode & 0o077) !== 0 && process.platform !== 'win32') {
    return { what, ok: false, detail: `${dataDir} can be read by others: chmod 700 ${dataDir}` };
  }
  return { what, ok: true, detail: dataDir };
}

function checkDisk({ dataDir, databaseUrl, minFreeMb }: HostConfig): Finding {
  const { bavail, bsize } = statfsSync(existing(dataDir));
  const free = bavail * bsize;
  const shown = `${(free / 1024 ** 3).toFixed(1)} GiB free`;
  // An external database has a disk of its own.
  const ok = databaseUrl !== undefined || free >= minFreeMb * 1024 ** 2;
  const todo = `expected ${minFreeMb} MB or more, found ${shown}: make room, or lower OTW_MIN_FREE_MB`;
  return { what: 'disk', ok, detail: ok ? shown : todo };
}

function portIsFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}

/** A host that has DATABASE_URL holds no data directory: only its door tells of it. */
async function isHost(origin: string): Promise<boolean> {
  try {
    await createApiClient({ origin }).get('/v1/health/live', z.object({ service: z.literal('api-service') }));
    return true;
  } catch {
    // Whatever went wrong: nobody said that he is one of us.
    return false;
  }
}

async function checkPort(config: HostConfig): Promise<Finding> {
  const what = 'port';
  const told = config.databaseUrl === undefined ? readDataDirLock(config.dataDir)?.url : undefined;
  const free = config.port === 0 || (await portIsFree(config.host, config.port));
  const ours = told ?? (!free && (await isHost(ownOrigin(config))) ? ownOrigin(config) : undefined);
  if (ours !== undefined) return { what, ok: true, detail: `the host is serving on ${ours}` };
  const detail = free ? `${config.port} is free` : `${config.port} is taken by another program: set API_PORT`;
  return { what, ok: free, detail };
}

function pluginFindings({ named, usedBy, path, problem, warnings }: ListedPlugin): Finding[] {
  const found = [path ?? named, ...warnings].join('; ');
  const finding = { ok: problem === null, detail: problem === null ? found : problem.message };
  return usedBy.map(({ as, name }) => {
    const what = { connection: `plugin of ${name}`, sink: `sink ${name}`, ingest: `ingest ${named}` }[as];
    return { what, ...finding };
  });
}

/** As `otw plugin list` does it; loaded are those alone that run in a process of their own. */
async function checkPlugins(config: HostConfig): Promise<Finding[]> {
  const pool = createConnectorPool({ most: 2 });
  try {
    const isLoaded = (usedBy: readonly PluginUse[]): boolean => usedBy.some(({ as }) => as === 'connection');
    return (await listPlugins(config, { pool, isLoaded })).flatMap(pluginFindings);
  } finally {
    await pool.close();
  }
}

function clockFinding(skewMs: number): Finding {
  const shown = `${(skewMs / 1000).toFixed(1)} s from the database`;
  const ok = Math.abs(skewMs) < mostSkewMs;
  return { what: 'clock', ok, detail: ok ? shown : `expected less than 60 s, found ${shown}: set the clock` };
}

async function checkSessionKey(sessions: SessionStore): Promise<Finding> {
  const what = 'session key';
  try {
    return { what, ok: true, detail: await sessions.describeKey() };
  } catch (error) {
    return { what, ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

async function checkNotifications({ config, host }: CommandContext): Promise<Finding[]> {
  const { notify } = config;
  if (!notify) return [];
  const waiting = await host.notifications.waiting();
  // The path may be a secret.
  const where = `to ${new URL(notify.url).host}, ${notify.secret === undefined ? 'not signed' : 'signed'}`;
  return [{ what: 'notifications', ok: true, detail: waiting === 0 ? where : `${where}; ${waiting} wait` }];
}

async function checkDatabase(options: GlobalOptions): Promise<Finding[]> {
  try {
    const context = await openContext(options, { role: 'doctor' });
    try {
      const asked = Date.now();
      const { rows } = await context.host.database.raw<{ rows: { now: Date; version: string }[] }>(
        `select clock_timestamp() as now, current_setting('server_version') as version`,
      );
      const row = rows[0];
      const middle = (asked + Date.now()) / 2;
      const kind = context.storage.kind === 'external' ? 'DATABASE_URL' : 'embedded';
      return [
        { what: 'database', ok: true, detail: `Postgres ${row?.version} (${kind}), tables in place` },
        await checkSessionKey(context.host.sessions),
        ...(await checkNotifications(context)),
        { what: 'API keys', ...(await accessOf(context.config, context.host.apiKeys)) },
        clockFinding(row ? row.now.getTime() - middle : 0),
      ];
    } finally {
      await context.close();
    }
  } catch (error) {
    return [{ what: 'database', ok: false, detail: error instanceof Error ? error.message : String(error) }];
  }
}

/** `otw doctor`: everything a first start needs, a line each. */
export async function doctorCommand(options: GlobalOptions): Promise<number> {
  const { config, redactor } = await prepare(options, 'error');
  const findings: Finding[] = [
    checkNode(),
    { what: 'configuration', ok: true, detail: `from ${config.origin}${config.demo ? ' (demo)' : ''}` },
    checkDataDir(config),
    checkDisk(config),
    await checkPort(config),
    ...(await checkPlugins(config)),
    ...(await checkDatabase(options)),
  ];
  const clean = findings.map((finding) => ({ ...finding, detail: redactor.redact(finding.detail) }));
  if (options.json === true) printJson({ checks: clean });
  else
    for (const { what, ok, detail } of clean)
      print(`${paint(ok ? 'green' : 'red', ok ? 'ok    ' : 'failed')} ${what}: ${detail}`);
  return clean.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed;
}
