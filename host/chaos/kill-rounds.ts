import { setTimeout as delay } from 'node:timers/promises';
import { crashPoints, type CrashPoint } from '@on-the-way/core';
import type { ChaosHost } from './chaos-host.ts';
import type { Problem } from './checker.ts';
import { accountOf } from './host-options.ts';
import { lastDays, type Lab, type LabServer } from './lab.ts';
import { inLab, type Report } from './report.ts';
import { askForAll } from './source-faults.ts';
import { dayDatasets } from './world.ts';

/** What rounds are run with. */
export interface RoundOptions {
  readonly server: LabServer;
  readonly seed: number;
  readonly rounds: number;
}

/** The source says something new of days that are read again and again. */
export function changeSomething({ source, connections, random }: Lab): void {
  const connection = connections[Math.floor(random() * connections.length)] ?? '';
  const [day = ''] = lastDays(1 + Math.floor(random() * 2)).slice(-1);
  const dataset = dayDatasets[Math.floor(random() * dayDatasets.length)] ?? '';
  const account = accountOf(connection);
  source.revise({ account, dataset, day });
  source.grow(account, 2);
}

function withRound(round: number, problems: readonly Problem[]): Problem[] {
  return problems.map(({ invariant, message }) => ({ invariant, message: `round ${round}: ${message}` }));
}

// What a host that was killed had is free some three seconds later, and is begun again then.
const slicesWithinMs = 8_000;
const longestAmidMs = 1_200;
const longestStartMs = 3_200;
const shareOfStarts = 0.2;

/** Kills the host at a random moment: amid its slices, or while it starts and takes over what the one before it had. */
async function killAtSomeMoment(host: ChaosHost, random: Lab['random']): Promise<void> {
  if (random() < shareOfStarts) await delay(random() * longestStartMs);
  else {
    const late = new AbortController();
    const slice = host.tells(({ op }) => op === 'slice').catch(() => undefined);
    await Promise.race([slice, delay(slicesWithinMs, undefined, { signal: late.signal })]);
    late.abort();
    await delay(random() * longestAmidMs);
  }
  await host.kill();
}

/**
 * Fault 1: a host is ended by kill -9 at a random moment, again and again, over a source that changes its answers, cuts
 * some and lets tokens wear off. The database is looked at right after each kill, and once more when all is done.
 */
export function killAtRandom({ server, seed, rounds }: RoundOptions): Promise<Report> {
  return inLab(`kill -9 at random, ${rounds} rounds`, { server, seed, connections: 4 }, async (lab, note) => {
    const { source } = lab;
    source.set({ latencyMs: 4, callsPerToken: 15, loseRenewals: 5, overlap: true });
    source.set({ broken: { every: 9, how: 'cut', at: 40 }, refuse: { every: 13, status: 503 } });
    const problems: Problem[] = [];
    for (let round = 1; round <= rounds && problems.length === 0; round += 1) {
      changeSomething(lab);
      await killAtSomeMoment(lab.start(), lab.random);
      problems.push(...withRound(round, await lab.problemsNow()));
    }
    source.calm();
    if (problems.length > 0) return problems;
    await askForAll(lab, await lab.started());
    const working = new Set(
      lab.history.operations.filter(({ op }) => op === 'slice').map(({ proc }) => proc),
    );
    note(`looked at ${rounds} databases right after a kill; ${working.size} of the hosts had done slices`);
    if (working.size < rounds / 3) {
      const message = `expected a third of ${rounds} hosts at least to get to slices, found ${working.size}`;
      problems.push({ invariant: 'work', message });
    }
    return [...problems, ...(await lab.settled(lab.goal()))];
  });
}

// Reached many times in a run; the others once, and the next run is some time away.
const frequent: readonly CrashPoint[] = [
  'batch-fetched',
  'before-write',
  'after-write',
  'before-ledger',
  'after-ledger',
];

/** A host that ends itself at the point; resolves with whether it got there. */
async function endAt(lab: Lab, point: CrashPoint, connection: string): Promise<boolean> {
  const n = frequent.includes(point) ? 1 + Math.floor(lab.random() * 3) : 1;
  // A cursor moves only where there is something new behind it.
  lab.source.grow(accountOf(connection), 2);
  const host = lab.start({ connections: [connection], crashAt: { point, n } });
  const late = new AbortController();
  const inTime = delay(pointWithinMs, false, { signal: late.signal }).catch(() => false);
  const got = await Promise.race([host.ended.then(() => true), inTime]);
  late.abort();
  if (!got) await host.kill();
  return lab.history.operations.some(
    ({ proc, op, id }) => proc === host.name && op === 'point' && id === point,
  );
}

const pointWithinMs = 60_000;
const atOnce = 3;

/** Ends a host at each of the points, some at once; resolves with those where none ever got. */
async function endAtAll(lab: Lab, points: readonly CrashPoint[], problems: Problem[]): Promise<CrashPoint[]> {
  const left = [...points];
  const missed: CrashPoint[] = [];
  const work = async (): Promise<void> => {
    for (let point = left.shift(); point !== undefined; point = left.shift()) {
      const connection = lab.connections[crashPoints.indexOf(point)] ?? '';
      if (!(await endAt(lab, point, connection))) missed.push(point);
      problems.push(
        ...(await lab.problemsNow()).map((found) => ({ ...found, message: `${point}: ${found.message}` })),
      );
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return missed;
}

/**
 * Fault 2: a host ends itself, as kill -9 would, at every point of the list, each with a connection of its own; then
 * one host does what is left of all of them. A point that was never reached is a problem.
 */
export function killAtEveryPoint({ server, seed, rounds }: RoundOptions): Promise<Report> {
  const options = { server, seed, connections: crashPoints.length, backfillDays: 4 };
  return inLab(`kill -9 at every point, ${rounds} rounds`, options, async (lab, note) => {
    const { source } = lab;
    const problems: Problem[] = [];
    const missed = new Set<CrashPoint>();
    for (let round = 1; round <= rounds && problems.length === 0; round += 1) {
      source.set({ refuse: { every: 5, status: 503 }, callsPerToken: 25 });
      // The only moment at which there is something to migrate is the first.
      const first: CrashPoint[] = round === 1 ? ['mid-migration'] : [];
      for (const point of await endAtAll(lab, first, problems)) missed.add(point);
      const others = crashPoints.filter((point) => point !== 'mid-migration');
      for (const point of await endAtAll(lab, others, problems)) missed.add(point);
      for (let change = 0; change < 10; change += 1) changeSomething(lab);
    }
    source.calm();
    problems.push(
      ...[...missed].map((point) => ({ invariant: 'points', message: `no host got to ${point}` })),
    );
    note(`${lab.history.count({ op: 'point' })} hosts ended at ${crashPoints.length - missed.size} points`);
    await askForAll(lab, await lab.started());
    return [...problems, ...(await lab.settled(lab.goal()))];
  });
}
