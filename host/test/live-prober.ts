import { get } from 'node:http';

// A process of its own, so that no load on the one that makes it is taken for slowness of the one that is asked.
// Asks each address every 20 ms over a connection of its own until its stdin ends, then prints what it saw.
const everyMs = 20;

/** What one address answered: milliseconds, and how many times there was no 200. */
export interface Probed {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
  readonly failed: number;
}

function probe(url: string, { times, missed }: { times: number[]; missed: string[] }): void {
  const from = performance.now();
  const note = (what?: string): void => {
    times.push(performance.now() - from);
    if (what !== undefined) missed.push(what);
  };
  get(url, { agent: false }, (response) => {
    response.resume().on('end', () => note(response.statusCode === 200 ? undefined : 'status'));
  }).on('error', (error) => note(error.message));
}

function summary({ times, missed }: { times: number[]; missed: string[] }): Probed {
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share: number): number => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1), count: times.length, failed: missed.length };
}

if (import.meta.main) {
  const seen = process.argv.slice(2).map((url) => ({ url, times: [], missed: [] }));
  const timer = setInterval(() => {
    for (const each of seen) probe(each.url, each);
  }, everyMs);
  process.stdin.resume().on('end', () => {
    clearInterval(timer);
    setTimeout(() => {
      process.stdout.write(JSON.stringify(seen.map(summary)), () => process.exit(0));
    }, 300);
  });
}
