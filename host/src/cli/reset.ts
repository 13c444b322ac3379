import { addDays, dayAt } from '@on-the-way/sdk';
import { z } from 'zod';
import type { ConnectionConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { resetShape, shownReset } from '../http/reset.ts';
import { AlreadyRunning, claimConnection } from '../run-service.ts';
import { resetConnection, wouldReset, type ResetWish } from '../storage/reset.ts';
import { isAgreed } from './agreed.ts';
import { chosenConnection, withContext, type CommandContext } from './context.ts';
import { formatTable, print, printJson, say } from './output.ts';
import { findRemote, remoteConnection, viaRemote, type Remote, type RemoteOptions } from './remote.ts';
import { datasetsOption, dayOption, windowOption } from './run.ts';

/** Options of `otw reset`. */
export interface ResetOptions extends RemoteOptions {
  readonly from?: string;
  readonly to?: string;
  readonly dataset?: string;
  readonly cursors?: boolean;
  readonly yes?: boolean;
}

type Shown = z.output<typeof resetShape>;
type Forgotten = Shown['forgotten'];

/** Resets a connection, here or at a host. */
interface Resets {
  readonly name: string;
  count(): Promise<Shown>;
  reset(): Promise<Shown>;
}

const words: Readonly<Record<keyof Forgotten, string>> = {
  ledger_days: 'days of datasets in the ledger, with marks and revisions',
  set_aside: 'of them set aside',
  slice_letters: 'dead letters of days',
  cursors: 'cursors',
  backfills: 'backfills',
  pauses: 'pauses of the source',
};

function formatCounts(counts: Forgotten): string {
  const names = Object.keys(words) as (keyof Forgotten)[];
  return formatTable(
    ['forgotten', 'how many'],
    names.map((name) => [words[name], counts[name]]),
  );
}

async function here(
  { host }: CommandContext,
  { name, timeZone, backfillDays }: ConnectionConfig,
  options: ResetOptions,
): Promise<Resets> {
  const today = dayAt(Date.now(), timeZone);
  const window = windowOption(options, today);
  const datasets = datasetsOption(options.dataset);
  const known = (await host.connections.state(name)).datasets?.map((dataset) => dataset.name);
  const strange = known && datasets?.find((dataset) => !known.includes(dataset));
  if (known && strange !== undefined)
    throw new HostError(
      exitCodes.usage,
      `--dataset: expected names out of ${known.join(', ')}, found ${strange}`,
    );
  const wish: ResetWish = {
    ...(window && { window }),
    ...(datasets && { datasets }),
    ...(options.cursors === true && { cursorsOnly: true }),
  };
  const request = { wish, firstWanted: addDays(today, 1 - backfillDays) };
  return {
    name,
    count: async () => shownReset(await wouldReset(host.database, name, request)),
    async reset() {
      const claim = await claimConnection(host, name);
      try {
        return shownReset(await resetConnection(host.database, claim, request));
      } finally {
        await claim.release();
      }
    },
  };
}

function byHost({ client }: Remote, name: string, options: ResetOptions): Resets {
  const { from, to, cursors } = options;
  if (from !== undefined) dayOption('--from', from);
  if (to !== undefined) dayOption('--to', to);
  const wish = { from, to, cursors, datasets: datasetsOption(options.dataset) };
  const send = (dryRun: boolean): Promise<Shown> =>
    viaRemote(client, async () => {
      const request = { method: 'POST', path: `/v1/connections/${name}/reset` } as const;
      const body = { ...wish, dry_run: dryRun };
      return client.send({ ...request, body }, z.object(resetShape.shape));
    });
  return { name, count: () => send(true), reset: () => send(false) };
}

/** What becomes of the days: those that are older than the first one wanted need a command of their own. */
function outlook(name: string, left: Shown['left_to_backfill'], { dataset }: ResetOptions): string {
  const usual = `${name} is reset: its next run asks for what is missing. What is stored is kept.`;
  if (left === null) return usual;
  const { from, to } = left;
  const command = `otw backfill ${name} --from ${from} --to ${to}${dataset === undefined ? '' : ` --dataset ${dataset}`}`;
  return `${usual}\nDays up to ${to} are older than the first one wanted, and only this asks for them: ${command}`;
}

async function ask({ name, count, reset }: Resets, options: ResetOptions): Promise<number> {
  if (options.yes !== true) say(formatCounts((await count()).forgotten));
  const question = `Forget this of ${name}? What is stored is kept, and so is who is signed in; the days are asked for again.`;
  if (!(await isAgreed({ question, example: `otw reset ${name} --yes`, yes: options.yes }))) {
    say('Nothing was changed.');
    return exitCodes.done;
  }
  const shown = await reset();
  if (options.json === true) printJson({ connection: name, ...shown });
  else {
    print(formatCounts(shown.forgotten));
    print(outlook(name, shown.left_to_backfill, options));
  }
  return exitCodes.done;
}

function expectSense({ from, to, cursors }: ResetOptions): void {
  if (cursors !== true || (from === undefined && to === undefined)) return;
  const message =
    '--cursors: expected no --from and --to, since a cursor has no days; for example otw reset --cursors';
  throw new HostError(exitCodes.usage, message);
}

/** `otw reset`: forgets what became of days, after asking, so that they are asked for again; stores nothing twice. */
export async function resetCommand(name: string | undefined, options: ResetOptions): Promise<number> {
  expectSense(options);
  const remote = await findRemote(options);
  if (remote) return ask(byHost(remote, remoteConnection(remote, name).name, options), options);
  return withContext(options, { role: 'reset' }, async (context) => {
    try {
      return await ask(await here(context, chosenConnection(context.config, name), options), options);
    } catch (error) {
      if (error instanceof AlreadyRunning)
        throw new HostError(exitCodes.failed, error.message, { cause: error });
      throw error;
    }
  });
}
