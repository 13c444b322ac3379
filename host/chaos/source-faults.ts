import { setTimeout as delay } from 'node:timers/promises';
import { addDays } from '@on-the-way/sdk';
import type { ChaosHost } from './chaos-host.ts';
import type { Problem } from './checker.ts';
import { accountOf } from './host-options.ts';
import { lastDays, type Lab, type LabServer } from './lab.ts';
import { inLab, type Report } from './report.ts';
import { brokenAnswers, type Knobs } from './verifiable-source.ts';
import { dayDatasets } from './world.ts';

/** What these are run with. */
export interface SourceFaultOptions {
  readonly server: LabServer;
  readonly seed: number;
  /** Places at which each kind of answer is cut. */
  readonly cuts: number;
}

/** Something new everywhere, so that every connection asks for all of it. */
function changeAll({ source, connections }: Lab): void {
  for (const connection of connections) {
    const account = accountOf(connection);
    for (const dataset of dayDatasets)
      for (const day of lastDays(2)) source.revise({ account, dataset, day });
    source.grow(account, 3);
  }
}

/** Under these knobs until the source has given so many answers. */
async function under(lab: Lab, knobs: Partial<Knobs>, answers: number): Promise<void> {
  const { source } = lab;
  source.set(knobs);
  changeAll(lab);
  const target = source.counts.data + answers;
  const until = performance.now() + 15_000;
  while (source.counts.data < target && performance.now() < until) await delay(20);
}

/** Fault 36: the source says to go on where one already is. Asked again and again it would be a loop. */
async function circles(lab: Lab): Promise<Problem[]> {
  const before = lab.source.counts.data;
  lab.source.set({ circling: true, pageSize: 2 });
  changeAll(lab);
  await delay(3_000);
  const asked = lab.source.counts.data - before;
  lab.source.set({ circling: false, pageSize: 3 });
  const most = 400;
  if (asked < most) return [];
  return [
    {
      invariant: 'I9',
      message: `expected under ${most} requests of a source that goes in circles, found ${asked}`,
    },
  ];
}

/** What failed again and again is asked for ever more seldom, unless a person asks. */
export async function askForAll({ connections }: Lab, host: ChaosHost): Promise<void> {
  const days = lastDays(6);
  const [from, to] = [days.at(-1) ?? '', addDays(days[0] ?? '', 1)];
  for (const connection of connections) {
    for (let begun = false; !begun;) {
      const answer = host.tells(({ op }) => op === 'ask');
      host.command({ do: 'ask', connection, from, to });
      begun = (await answer).type === 'ok';
      if (!begun) await delay(200);
    }
  }
}

/**
 * Faults 30, 31, 36: answers that are cut, too long, of another kind or empty; pages that repeat; a cursor that goes in
 * circles; tokens that wear off, and renewals whose answer is lost.
 */
export function sourceFaults({ server, seed, cuts }: SourceFaultOptions): Promise<Report> {
  return inLab('faults of the source', { server, seed, connections: 3 }, async (lab, note) => {
    const host = await lab.started();
    lab.source.set({ overlap: true, callsPerToken: 9, loseRenewals: 4 });
    for (const how of brokenAnswers) {
      for (let cut = 0; cut < (how === 'cut' ? cuts : 1); cut += 1) {
        const at = Math.floor(lab.random() * 300);
        await under(lab, { broken: { every: 3, how, at } }, 12);
      }
    }
    const problems = await circles(lab);
    const { signIns, renewals } = lab.source.counts;
    lab.source.calm();
    await askForAll(lab, host);
    note(`${signIns} sign-ins and ${renewals} renewals of ${lab.connections.length} accounts`);
    if (signIns > lab.connections.length) {
      problems.push({ invariant: 'I6', message: `expected a sign-in an account, found ${signIns}` });
    }
    return [...problems, ...(await lab.settled(lab.goal()))];
  });
}

/** How long the source is left alone after each way to ask for it, at least. */
const pauses: Readonly<Record<string, { readonly retryAfter?: string; readonly waitMs: number }>> = {
  'two seconds': { retryAfter: '2', waitMs: 2_000 },
  none: { waitMs: 1_000 },
  zero: { retryAfter: '0', waitMs: 0 },
  garbage: { retryAfter: 'soon', waitMs: 1_000 },
};

/** Data that was asked for of the account before its pause was over. */
function askedTooEarly({ history }: Lab, connection: string, waitMs: number): number {
  const account = accountOf(connection);
  const asked = history.operations.filter(({ op, id }) => op === 'refuse' && id === account);
  return asked.slice(1).filter(({ t }, index) => t - (asked[index]?.t ?? 0) < waitMs).length;
}

/** Fault 28: a storm of 429. Nobody is asked before its pause is over, whatever the header says, and however often a run is due. */
export function rateLimits({ server, seed }: Omit<SourceFaultOptions, 'cuts'>): Promise<Report> {
  const options = { server, seed, connections: Object.keys(pauses).length };
  return inLab('a storm of 429', options, async (lab, note) => {
    const problems: Problem[] = [];
    for (const [index, [name, { retryAfter, waitMs }]] of Object.entries(pauses).entries()) {
      const connection = lab.connections[index] ?? '';
      lab.source.set({ refuse: { every: 1, status: 429, ...(retryAfter !== undefined && { retryAfter }) } });
      const host = await lab.started({ connections: [connection] });
      const refusals = (): number =>
        lab.history.operations.filter(({ op, id }) => op === 'refuse' && id === accountOf(connection)).length;
      for (const end = performance.now() + 20_000; refusals() === 0 && performance.now() < end;)
        await delay(50);
      await delay(2_500);
      await host.kill();
      const asked = refusals();
      note(`Retry-After ${name}: asked ${asked} times in 2.5 s`);
      const early = askedTooEarly(lab, connection, waitMs);
      if (asked === 0 || early > 0 || asked > 10) {
        problems.push({
          invariant: 'I6',
          message: `Retry-After ${name}: asked ${asked} times, ${early} times too early`,
        });
      }
    }
    return [...problems, ...(await lab.problemsNow())];
  });
}
