import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { systemCode } from './storage-error.ts';

/** Tells a process from a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it began, in the system's own terms; empty where the system does not say. */
  readonly processStart: string;
  /** Which run of the machine that was; empty where the system does not say. */
  readonly boot: string;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone meanwhile, or hidden from us; the caller has another way to ask.
    return '';
  }
}

/** `gone` also for a zombie: killed, and its parent has not looked yet. */
function startOf(pid: number): string {
  if (existsSync('/proc/self/stat')) {
    const stat = readIfThere(`/proc/${pid}/stat`);
    // The second field is the name in brackets, and may itself hold brackets and spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return 'gone';
    return fields[19] ?? 'unknown';
  }
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout?.trim() || 'unknown';
}

function bootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id').trim();
}

/** Who we are. */
export function ownIdentity(): ProcessIdentity {
  const start = startOf(process.pid);
  return { pid: process.pid, processStart: start === 'unknown' ? '' : start, boot: bootId() };
}

/** Whether that very process, of this machine, still runs. In doubt it does. */
export function isRunning({ pid, processStart, boot }: ProcessIdentity): boolean {
  const now = bootId();
  if (boot !== '' && now !== '' && boot !== now) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and someone else's.
    if (systemCode(error) === 'ESRCH') return false;
  }
  const start = startOf(pid);
  if (start === 'gone') return false;
  return start === 'unknown' || processStart === '' || start === processStart;
}
