// What the system says of processes and of the machine: Linux' /proc; elsewhere nothing is known, and that is shown.
import { readdirSync, readFileSync } from 'node:fs';

// How /proc counts time.
const usPerTick = 10_000;

interface ProcessTimes {
  readonly parent: number;
  /** Of the process, and of those children of it that have ended. */
  readonly us: number;
}

function readProcess(pid: string): ProcessTimes | undefined {
  try {
    // The name, in brackets, may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: Number(fields[1]), us: ticks * usPerTick };
  } catch {
    // It has ended since it was listed.
    return undefined;
  }
}

function readProcesses(): ReadonlyMap<number, ProcessTimes> | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const found = new Map<number, ProcessTimes>();
    for (const name of readdirSync('/proc')) {
      const times = /^\d+$/.test(name) ? readProcess(name) : undefined;
      if (times) found.set(Number(name), times);
    }
    return found.size > 0 ? found : undefined;
  } catch {
    return undefined;
  }
}

/** The process and all below it. */
function treeOf(all: ReadonlyMap<number, ProcessTimes>, root: number): Set<number> {
  const tree = new Set([root]);
  // A child may be listed before its parent.
  for (let size = 0; size < tree.size;) {
    size = tree.size;
    for (const [pid, { parent }] of all) if (tree.has(parent)) tree.add(pid);
  }
  return tree;
}

function sumOf(all: ReadonlyMap<number, ProcessTimes>, pids: ReadonlySet<number>): number {
  return [...pids].reduce((sum, pid) => sum + (all.get(pid)?.us ?? 0), 0);
}

/** Busy and whole time of all cores, as the first line of /proc/stat has them. */
export function machineTimes(text: string): { readonly busy: number; readonly all: number } | undefined {
  const times = /^cpu +([\d ]+)$/m.exec(text)?.[1]?.split(' ').map(Number);
  if (!times || times.length < 8) return undefined;
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft = 0, stolen = 0] = times;
  const busy = user + nice + system + interrupts + soft + stolen;
  return { busy: busy * usPerTick, all: (busy + idle + waiting) * usPerTick };
}

/** The processes that a measurement is about. */
export interface Measured {
  /** The postmaster. */
  readonly server: number;
  /** The program that writes; its children count. Missing: only the server is looked at. */
  readonly client?: number | undefined;
}

interface Snapshot {
  readonly server: number;
  readonly client: number;
  /** Both, and the bench itself. */
  readonly ours: number;
  readonly busy: number;
  readonly all: number;
}

function snapshot({ server, client }: Measured): Snapshot | undefined {
  const all = readProcesses();
  if (!all) return undefined;
  try {
    const machine = machineTimes(readFileSync('/proc/stat', 'utf8'));
    if (!machine) return undefined;
    const servers = treeOf(all, server);
    const clients = client === undefined ? new Set<number>() : treeOf(all, client);
    const bench = treeOf(all, process.pid);
    const ours = new Set([...servers, ...clients, ...bench]);
    return { server: sumOf(all, servers), client: sumOf(all, clients), ours: sumOf(all, ours), ...machine };
  } catch {
    return undefined;
  }
}

/** CPU used since a moment, microseconds, and the share of the machine that others used since then. */
export interface Usage {
  readonly serverUs: number | undefined;
  readonly clientUs: number | undefined;
  readonly others: number | undefined;
}

/** Begins to count; what is returned tells what was used since. */
export function startMeasuring(measured: Measured): () => Usage {
  const before = snapshot(measured);
  return () => {
    const after = snapshot(measured);
    if (!before || !after) return { serverUs: undefined, clientUs: undefined, others: undefined };
    const whole = after.all - before.all;
    const foreign = after.busy - before.busy - (after.ours - before.ours);
    return {
      serverUs: after.server - before.server,
      clientUs: measured.client === undefined ? undefined : after.client - before.client,
      // Two counts that are not taken at one moment differ by a tick or two.
      others: whole <= 0 ? undefined : Math.max(0, foreign) / whole,
    };
  };
}

/** The most memory that a process and those below it have had, each at its own worst moment, MB. */
export function peakRssMb(root: number): number | undefined {
  const all = readProcesses();
  if (!all) return undefined;
  const peaks = [...treeOf(all, root)].map((pid) => {
    try {
      const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
      return found ? Number(found[1]) / 1024 : undefined;
    } catch {
      return undefined;
    }
  });
  const sum = peaks.reduce<number>((total, peak) => total + (peak ?? 0), 0);
  return sum === 0 ? undefined : sum;
}
