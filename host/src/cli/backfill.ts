import { setTimeout as delay } from 'node:timers/promises';
import { dayAt, formatInstant } from '@on-the-way/sdk';
import { planWish, progressOfAll, UnusableWish, type WantedBackfill } from '../backfill.ts';
import type { ConnectionConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { shownBackfill } from '../http/backfills.ts';
import { AlreadyRunning, ConnectionPaused } from '../run-service.ts';
import type { Backfill } from '../storage/backfills.ts';
import {
  backfillAnswer,
  createWaitTeller,
  listBackfills,
  showEnd,
  watchDays,
  type BackfillEnd,
  type Backfills,
  type ShownBackfill,
} from './backfill-output.ts';
import { chosenConnection, withContext, type CommandContext } from './context.ts';
import { exitCodeOfError } from './exit-code.ts';
import { print, printJson, say, simulatedNote } from './output.ts';
import { backfillsByHost } from './remote-backfill.ts';
import { findRemote, remoteConnection, type RemoteOptions } from './remote.ts';
import { datasetsOption, dayOption } from './run.ts';
import { listenForStop, type Stop } from './stop-signals.ts';

/** Options of `otw backfill`. */
export interface BackfillOptions extends RemoteOptions {
  readonly from?: string;
  readonly to?: string;
  readonly dataset?: string;
  readonly refresh?: boolean;
  readonly requests?: number;
  readonly detach?: boolean;
  readonly list?: boolean;
  readonly cancel?: string;
}

// What is live never waits longer than this, and what is under way then.
const chunkMs = 30_000;
// A host that had to give a due run back looks again within this time.
const turnOfOthersMs = 6_000;
const busyMs = 500;
const waitingLookMs = 1_000;

/** Other hosts of this database that read sources; what is live on them comes first. */
async function othersRead({ host }: CommandContext): Promise<boolean> {
  const known = await host.hosts.list();
  return known.some(({ role }) => role === 'all' || role === 'worker');
}

/** Waits while the source is left alone; says so, and until when. */
async function waitItsTurn(
  { host, config }: CommandContext,
  id: string,
  stopped: AbortSignal,
): Promise<void> {
  const tellWait = createWaitTeller();
  while (!stopped.aborted) {
    const nextRunAt = (await host.backfills.get(id))?.nextRunAt ?? null;
    if (nextRunAt === null) return;
    tellWait(formatInstant(nextRunAt.getTime(), config.timeZone));
    await delay(waitingLookMs, undefined, { signal: stopped }).catch(() => undefined);
  }
}

/** Chunk by chunk in this process; a connection that another host has at the moment is waited for. */
async function workHere(
  context: CommandContext,
  connection: ConnectionConfig,
  { id, stop }: { readonly id: string; readonly stop: Stop },
): Promise<BackfillEnd['error']> {
  const { host } = context;
  const { signal: stopped, givenUp: signal, prompt } = stop;
  const rest = (ms: number): Promise<void> =>
    delay(ms, undefined, { signal: stopped }).catch(() => undefined);
  const isOpen = async (): Promise<boolean> => {
    const found = await host.backfills.get(id);
    return found?.finishedAt === null && found.cancelledAt === null;
  };
  while (!stopped.aborted && (await isOpen())) {
    const drain = AbortSignal.any([stopped, AbortSignal.timeout(chunkMs)]);
    try {
      const { error } = await host.service.execute(connection, {
        trigger: 'backfill',
        signal,
        drain,
        backfillId: id,
        ...(prompt && { prompt }),
      });
      if (error && (await isOpen())) return error;
    } catch (error) {
      if (error instanceof ConnectionPaused) throw keptInPause(error, id);
      if (!(error instanceof AlreadyRunning)) throw error;
      await rest(busyMs);
      continue;
    }
    if ((await isOpen()) && (await othersRead(context))) await rest(turnOfOthersMs);
    await waitItsTurn(context, id, stopped);
  }
  return undefined;
}

/** Paused while it was under way. */
function keptInPause(cause: ConnectionPaused, id: string): HostError {
  return new HostError(exitCodes.failed, `${cause.message}. ${id} is kept and goes on then`, { cause });
}

function noBackfill(connection: string, id: string): HostError {
  return new HostError(
    exitCodes.usage,
    `Expected a backfill of ${connection}, found none with the id ${id}: otw backfill ${connection} --list shows them`,
  );
}

/** In the database of this command. */
function backfillsHere(context: CommandContext, connection: ConnectionConfig): Backfills {
  const { config, host } = context;
  const { name, timeZone } = connection;
  const stamp = (at: Date | number | null | undefined): string | null =>
    at === null || at === undefined ? null : formatInstant(Number(at), config.timeZone);
  const shown = async (those: readonly Backfill[]): Promise<ShownBackfill[]> => {
    const { datasets } = await host.connections.state(name);
    const progress = await progressOfAll(host.backfills, those, datasets);
    return those.map((each, at) => backfillAnswer.parse(shownBackfill(each, progress[at]!, stamp)));
  };
  const backfillOf = async (id: string): Promise<Backfill> => {
    const found = await host.backfills.get(id);
    if (found?.connection === name) return found;
    throw noBackfill(name, id);
  };
  const get = async (id: string): Promise<ShownBackfill> => (await shown([await backfillOf(id)]))[0]!;
  return {
    async add(wanted) {
      const { datasets } = await host.connections.state(name);
      const { wish, leftOut } = planWish(wanted, { today: dayAt(Date.now(), timeZone), datasets });
      const backfill = await host.backfills.add(name, wish);
      await host.hosts.wake();
      return { backfill: (await shown([backfill]))[0]!, leftOut };
    },
    isPaused: async () => (await host.connections.state(name)).pausedAt !== null,
    list: async () => shown(await host.backfills.list(name, 20)),
    get,
    async cancel(id) {
      await host.backfills.cancel((await backfillOf(id)).id);
      return get(id);
    },
    work: (id, stop) => workHere(context, connection, { id, stop }),
    onStop:
      'Stopping; what was read is kept, and the same command goes on from there. Once more to leave at once.',
    onDetach:
      'It is kept: a host of this database that reads sources does it, and so does the same command again.',
  };
}

function wantedOf(options: BackfillOptions, name: string): WantedBackfill {
  const { from, to, dataset, refresh, requests } = options;
  if (from === undefined) {
    const message = `Expected --from, the first day that is wanted; for example otw backfill ${name} --from 2024-05-10`;
    throw new HostError(exitCodes.usage, message);
  }
  return {
    from: dayOption('--from', from),
    ...(to !== undefined && { to: dayOption('--to', to) }),
    ...(dataset !== undefined && { datasets: datasetsOption(dataset) }),
    ...(refresh !== undefined && { refresh }),
    ...(requests !== undefined && { requests }),
  };
}

/** A wish that cannot be met, in words of the command line. */
function usageError(error: unknown): unknown {
  if (!(error instanceof UnusableWish)) return error;
  const message = `--${error.message.replace(/^datasets:/, 'dataset:')}`;
  return new HostError(exitCodes.usage, message, { cause: error });
}

async function cancel(backfills: Backfills, id: string, json: boolean): Promise<number> {
  if (!/^[0-9a-f-]{36}$/.test(id))
    throw new HostError(
      exitCodes.usage,
      `--cancel: expected the id of a backfill, found ${JSON.stringify(id)}; otw backfill --list shows them`,
    );
  const backfill = await backfills.cancel(id);
  if (json) printJson({ backfill });
  else if (backfill.state === 'cancelled') print(`${id} is cancelled: what was read is kept.`);
  else print(`${id} was over before: ${backfill.state}. There was nothing to cancel.`);
  return exitCodes.done;
}

/** Nothing is kept: who waits for an end hears that none will come, and no work begins later unasked. */
function pausedConnection(name: string): HostError {
  return new HostError(
    exitCodes.failed,
    `Expected ${name} to be running, but it is paused: resume it first (otw resume ${name}), or keep the backfill for then with --detach`,
  );
}

/** How a script is told of it. */
function exitCodeOf({ backfill, error }: BackfillEnd): number {
  if (error)
    return exitCodeOfError(error.code, error.code === 'budget_spent' ? exitCodes.incomplete : undefined);
  const isComplete = backfill.state === 'finished' && backfill.days_failed === 0 && backfill.days_left === 0;
  return isComplete ? exitCodes.done : exitCodes.incomplete;
}

async function backfill(backfills: Backfills, name: string, options: BackfillOptions): Promise<number> {
  const json = options.json === true;
  if (options.list === true) return listBackfills(await backfills.list(), json);
  if (options.cancel !== undefined) return cancel(backfills, options.cancel, json);
  const wanted = wantedOf(options, name);
  const isPaused = await backfills.isPaused();
  if (isPaused && options.detach !== true) throw pausedConnection(name);
  const added = await backfills.add(wanted);
  const { leftOut } = added;
  if (leftOut.length > 0) say(`Left out, since they have no days of the past: ${leftOut.join(', ')}`);
  const { id } = added.backfill;
  if (options.detach === true) {
    say(isPaused ? `It is kept, and begins once ${name} is resumed: otw resume ${name}` : backfills.onDetach);
    showEnd({ backfill: added.backfill, leftOut }, json);
    return exitCodes.done;
  }
  const stop = listenForStop();
  stop.onStop(backfills.onStop);
  try {
    const work = backfills.work(id, stop);
    await watchDays(work, () => backfills.get(id));
    const end = { backfill: await backfills.get(id), leftOut, error: await work };
    showEnd(end, json);
    return stop.code() ?? exitCodeOf(end);
  } finally {
    stop.end();
  }
}

/**
 * `otw backfill`: days of the past, after all that is live; by the host that is running where there is one, else here,
 * in the foreground.
 */
export async function backfillCommand(name: string | undefined, options: BackfillOptions): Promise<number> {
  try {
    const remote = await findRemote(options);
    if (remote) {
      const { name: chosen, simulated } = remoteConnection(remote, name);
      if (simulated) say(simulatedNote);
      return await backfill(backfillsByHost(remote, chosen), chosen, options);
    }
    return await withContext(options, { role: 'backfill', source: true }, async (context) => {
      const connection = chosenConnection(context.config, name);
      if (context.config.demo) say(simulatedNote);
      return backfill(backfillsHere(context, connection), connection.name, options);
    });
  } catch (error) {
    throw usageError(error);
  }
}
