import { readFileSync } from 'node:fs';
import { get } from 'node:http';

// A process of its own, so that no load on the one that makes it is taken for slowness of the one that is asked.
// Asks an address every 20 ms over a connection of its own until its stdin ends, then prints what it saw.
const everyMs = 20;

/**
 * What was answered, in milliseconds, and how many times there was no 200. Where the system tells, `p99` leaves out
 * the time in which the host, or this process, was ready to go on and other programs had the processors.
 */
export interface Probed {
  readonly p50: number;
  readonly p99: number;
  readonly wallP99: number;
  readonly count: number;
  readonly failed: number;
}

interface Seen {
  readonly wall: number[];
  readonly own: number[];
  failed: number;
}

/** How long the main thread of a process has waited for a processor so far, in milliseconds. */
function waitedMs(pid: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

function probe(url: string, pids: readonly string[], seen: Seen): void {
  const waited = (): readonly number[] => pids.map(waitedMs);
  const from = { at: performance.now(), waited: waited() };
  const note = (isGood: boolean): void => {
    const wall = performance.now() - from.at;
    seen.wall.push(wall);
    const elsewhere = waited().map((ms, index) => ms - (from.waited[index] ?? 0));
    seen.own.push(Math.max(0, wall - Math.max(...elsewhere)));
    if (!isGood) seen.failed += 1;
  };
  get(url, { agent: false }, (response) => {
    response.resume().on('end', () => note(response.statusCode === 200));
  }).on('error', () => note(false));
}

function at(times: readonly number[], share: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
}

const [, , url = '', pid = ''] = process.argv;
const seen: Seen = { wall: [], own: [], failed: 0 };
const timer = setInterval(() => probe(url, [pid, String(process.pid)], seen), everyMs);
process.stdin.resume().on('end', () => {
  clearInterval(timer);
  // What is under way may still come.
  setTimeout(() => {
    const probed: Probed = {
      p50: at(seen.own, 0.5),
      p99: at(seen.own, 0.99),
      wallP99: at(seen.wall, 0.99),
      count: seen.own.length,
      failed: seen.failed,
    };
    process.stdout.write(JSON.stringify(probed), () => process.exit(0));
  }, 500);
});
