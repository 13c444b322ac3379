import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';

/** Tells a process from a later one with the same pid, and from one of another machine. */
export const processIdentity = z.looseObject({
  pid: z.int().positive(),
  /** When it began, in the system's own terms; empty where the system does not say. */
  processStart: z.string(),
  /** Which run of the machine that was; empty where the system does not say. */
  boot: z.string(),
  /** Name of the machine. */
  host: z.string(),
  /** Which processes can see each other there: containers of one machine may share all but this. Empty where unknown. */
  pids: z.string().default(''),
});

/** See {@link processIdentity}. */
export type ProcessIdentity = Readonly<z.output<typeof processIdentity>>;

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

/** The namespace of pids we are in. */
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // No Linux, or hidden from us.
    return '';
  }
}

/** Who we are. */
export function ownIdentity(): ProcessIdentity {
  const start = startOf(process.pid);
  const processStart = start === 'unknown' ? '' : start;
  return { pid: process.pid, processStart, boot: bootId(), host: hostname(), pids: pidNamespace() };
}

/** Whether that very process still runs. In doubt it does, and of another machine we cannot know. */
export function isRunning({ pid, processStart, boot, host, pids }: ProcessIdentity): boolean {
  if (host !== hostname()) return true;
  const now = bootId();
  if (boot !== '' && now !== '' && boot !== now) return false;
  // A pid of another container means nothing here.
  if (pids !== pidNamespace()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and someone else's.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
  }
  const start = startOf(pid);
  if (start === 'gone') return false;
  return start === 'unknown' || processStart === '' || start === processStart;
}
