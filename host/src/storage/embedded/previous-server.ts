import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StorageError, systemCode } from '../storage-error.ts';

/** The name by which the processes of this cluster can be told from those of any other, wherever it lies. */
export function clusterName(cluster: string): string {
  const { dev, ino } = statSync(cluster);
  return `otw-${dev.toString(36)}-${ino.toString(36)}`;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Processes and their files come and go while we look.
    return '';
  }
}

/** Command lines by pid. */
function commandLines(): Map<number, string> {
  if (existsSync('/proc/self/cmdline')) {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return new Map(
      pids.map((pid) => [Number(pid), readIfThere(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')]),
    );
  }
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,command='], { encoding: 'utf8' });
  const lines = (stdout ?? '').split('\n').map((line) => /^\s*(\d+) (.*)$/.exec(line));
  return new Map(lines.flatMap((match) => (match ? [[Number(match[1]), match[2] ?? '']] : [])));
}

/** Pids of the server and of its children: their titles carry the cluster's name. */
export function clusterProcesses(cluster: string): number[] {
  const name = new RegExp(`(?:cluster_name=|postgres: )${clusterName(cluster)}\\b(?!-)`);
  return [...commandLines()].filter(([, line]) => name.test(line)).map(([pid]) => pid);
}

async function waitUntilGone(cluster: string, milliseconds: number): Promise<boolean> {
  const end = performance.now() + milliseconds;
  while (clusterProcesses(cluster).length > 0) {
    if (performance.now() > end) return false;
    await delay(100);
  }
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

function readPid(cluster: string): number | undefined {
  const pid = Number.parseInt(readIfThere(join(cluster, 'postmaster.pid')), 10);
  return pid > 0 ? pid : undefined;
}

/**
 * Postgres takes any living process of its user with the pid in postmaster.pid for itself and refuses
 * to start; after a container's restart pids repeat, so that happens. We know better: no process bears
 * the cluster's name. Every other stale file is left to Postgres, which checks its shared memory too.
 */
function removeMisleadingPidFile(cluster: string): void {
  const pid = readPid(cluster);
  const line = pid === undefined ? undefined : commandLines().get(pid);
  if (line && !line.includes('postgres')) rmSync(join(cluster, 'postmaster.pid'), { force: true });
}

/**
 * Makes sure that no server of this cluster is left from a host that was killed: it is stopping already,
 * so wait for it, and hurry it after 10 s. Only for the holder of the data directory's lock.
 */
export async function endPreviousServer(cluster: string): Promise<void> {
  const steps = [
    { name: undefined, waitMs: 10_000 },
    { name: 'SIGINT', waitMs: 10_000 },
    { name: 'SIGQUIT', waitMs: 5_000 },
  ] as const;
  for (const { name, waitMs } of steps) {
    const pid = readPid(cluster);
    const pids = clusterProcesses(cluster);
    if (name && pid !== undefined && pids.includes(pid)) signal(pid, name);
    if (await waitUntilGone(cluster, waitMs)) return removeMisleadingPidFile(cluster);
  }
  throw new StorageError(
    'start_failed',
    `Expected no Postgres on ${cluster}, found processes ${clusterProcesses(cluster).join(', ')}: end them`,
  );
}
