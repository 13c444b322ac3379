import type { OwnPostgres } from '../test/own-postgres.ts';
import { blockedHost, clockFaults } from './clock-faults.ts';
import { databaseFaults } from './database-faults.ts';
import { fleet } from './fleet.ts';
import { killAtEveryPoint, killAtRandom } from './kill-rounds.ts';
import type { Report } from './report.ts';
import { rateLimits, sourceFaults } from './source-faults.ts';

/** One part of the suite. */
export interface Part {
  readonly name: string;
  run(server: OwnPostgres): Promise<Report>;
}

/** How the suite is run. */
export interface SuiteOptions {
  /** As long as it takes to believe it, instead of a few minutes. */
  readonly long: boolean;
  /** Default 5. */
  readonly seed?: number;
  /** Of kill -9 at random; the points are gone through once for every twenty. */
  readonly rounds?: number;
}

/** All parts, with what each is run with. */
export function suite({ long, seed = 5, rounds = long ? 200 : 4 }: SuiteOptions): Part[] {
  const size = long ? { hosts: 4, connections: 1000, killed: 2 } : { hosts: 3, connections: 60, killed: 1 };
  return [
    { name: 'points', run: (server) => killAtEveryPoint({ server, seed, rounds: Math.ceil(rounds / 20) }) },
    { name: 'random', run: (server) => killAtRandom({ server, seed: seed + 1, rounds }) },
    { name: 'fleet', run: (server) => fleet({ server, seed: seed + 2, ...size }) },
    {
      name: 'database',
      run: (server) => databaseFaults({ server, seed: seed + 3, long }),
    },
    { name: 'source', run: (server) => sourceFaults({ server, seed: seed + 4, cuts: long ? 20 : 3 }) },
    { name: 'limits', run: (server) => rateLimits({ server, seed: seed + 5 }) },
    { name: 'clocks', run: (server) => clockFaults({ server, seed: seed + 6 }) },
    { name: 'blocked', run: (server) => blockedHost({ server, seed: seed + 7 }) },
  ];
}
