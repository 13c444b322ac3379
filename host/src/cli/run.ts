import { planSlices, readForPlan, type RunSummary, type Slice } from '@on-the-way/core';
import { addDays, ConnectorError, dayAt, isDay, type Window } from '@on-the-way/sdk';
import type { ConnectionConfig } from '../config/host-config.ts';
import { atMost } from '../at-most.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { AlreadyRunning, type RunRequest } from '../run-service.ts';
import { chosenConnection, withContext, type CommandContext } from './context.ts';
import { formatTable, print, printJson, say, simulatedNote } from './output.ts';
import { showProgress } from './progress.ts';
import { findRemote, type Remote, type RemoteOptions } from './remote.ts';
import { runRemotely } from './remote-run.ts';
import { exitCodeOf, formatSummary, summaryJson } from './run-summary.ts';
import { listenForStop, type Stop } from './stop-signals.ts';

/** Options of `otw run`. */
export interface RunOptions extends RemoteOptions {
  readonly from?: string;
  readonly to?: string;
  readonly dataset?: string;
  readonly dryRun?: boolean;
  readonly inProcess?: boolean;
}

/** A day that an option names. */
export function dayOption(name: string, value: string): string {
  if (isDay(value)) return value;
  throw new HostError(
    exitCodes.usage,
    `${name}: expected a day, found ${JSON.stringify(value)}; for example ${name} 2026-02-26`,
  );
}

/** `--from` and `--to` (its last day) as a window; undefined when neither is given. */
export function windowOption(options: { from?: string; to?: string }, today: string): Window | undefined {
  if (options.from === undefined && options.to === undefined) return undefined;
  const last = dayOption('--to', options.to ?? today);
  const from = dayOption('--from', options.from ?? last);
  if (from > today) {
    throw new HostError(
      exitCodes.usage,
      `--from: expected a day up to today (${today}), found ${from}; for example --from ${today}`,
    );
  }
  if (from > last) {
    throw new HostError(
      exitCodes.usage,
      `--from: expected a day up to ${last}, found ${from}; for example --from ${last}`,
    );
  }
  return { from, to: addDays(last, 1) };
}

async function dryRun(
  context: CommandContext,
  connection: ConnectionConfig,
  request: RunRequest,
): Promise<readonly Slice[]> {
  const { host } = context;
  const now = Date.now();
  const ours = addDays(dayAt(now, connection.timeZone), 1 - connection.backfillDays);
  const { backfillFrom: known, signedInAt } = await host.connections.state(connection.name);
  const backfillFrom = known !== null && known < ours ? known : ours;
  return host.service.withConnector(connection, request, async ({ datasets, version }) =>
    planSlices(
      await readForPlan(host.ledger, connection.name, {
        datasets,
        version,
        now,
        timeZone: connection.timeZone,
        windowDays: connection.windowDays,
        backfillFrom,
        ...(signedInAt && { signedInAt: signedInAt.getTime() }),
        ...(request.only && { only: request.only }),
        ...(request.onlyDatasets && { onlyDatasets: request.onlyDatasets }),
        // As the run itself would, since a person asks.
        rereadLive: true,
      }),
    ),
  );
}

/** A pause is no defect: a script is told of it as by a run. */
function refuseInPause(error: unknown): never {
  if (!ConnectorError.is(error) || error.code !== 'rate_limited') throw error;
  throw new HostError(exitCodes.rateLimited, `rate_limited: ${error.message}`, { cause: error });
}

function showPlan(slices: readonly Slice[], json: boolean): void {
  if (json) return printJson({ slices });
  const asked = slices.filter(({ reason }) => reason !== 'absent');
  const rows = slices.map(({ dataset, window, reason }) => [
    dataset,
    window.from,
    addDays(window.to, -1),
    reason,
  ]);
  print(formatTable(['dataset', 'from', 'to', 'reason'], rows));
  say(`${asked.length} slices would be asked for at most; nothing was read or written.`);
}

/** The names of `--dataset`. */
export function datasetsOption(dataset: string | undefined): readonly string[] | undefined {
  return dataset?.split(',').map((part) => part.trim());
}

function showSummary(summary: RunSummary, timeZone: string, json: boolean): number {
  if (json) printJson(summaryJson(summary, timeZone));
  else print(formatSummary(summary, timeZone));
  if (summary.error && json) say(`${summary.error.code}: ${summary.error.message}`);
  return exitCodeOf(summary);
}

/** By the host that is running; the days are checked by it, as it knows its connection's zone. */
async function runByHost(
  remote: Remote,
  name: string | undefined,
  options: RunOptions,
  signal: AbortSignal,
): Promise<number> {
  const { from, to } = options;
  if (from !== undefined) dayOption('--from', from);
  if (to !== undefined) dayOption('--to', to);
  if (remote.connections.some(({ simulated }) => simulated)) say(simulatedNote);
  say(`The host at ${remote.client.origin} does it.`);
  const datasets = datasetsOption(options.dataset);
  const summary = await runRemotely(remote, { name, from, to, datasets, signal });
  return showSummary(summary, remote.timeZone, options.json === true);
}

// Without a host nobody else may be there to send what is to be told.
const tellWithinMs = 3_000;

async function runOne(
  context: CommandContext,
  name: string | undefined,
  options: RunOptions,
  { signal: drain, givenUp: signal, prompt }: Stop,
): Promise<number> {
  const { config, host, storage } = context;
  const connection = chosenConnection(config, name);
  const only = windowOption(options, dayAt(Date.now(), connection.timeZone));
  const datasets = datasetsOption(options.dataset);
  const request: RunRequest = {
    trigger: 'person',
    signal,
    drain,
    ...(only && { only }),
    ...(datasets && { onlyDatasets: datasets }),
    ...(prompt && { prompt }),
    ...(options.inProcess === true && { inProcess: true }),
  };
  const json = options.json === true;
  if (options.dryRun === true) {
    const plan = dryRun(context, connection, { ...request, signal: drain });
    showPlan(await plan.catch(refuseInPause), json);
    return exitCodes.done;
  }
  if (config.demo) say(simulatedNote);
  if (storage.kind === 'attached') say('Sharing the database of the host that is running.');
  showProgress(host.bus, process.stderr);
  const summary = await host.service.execute(connection, request);
  if (!drain.aborted) await atMost(tellWithinMs, host.notifier.deliverDue());
  return showSummary(summary, config.timeZone, json);
}

/** `otw run`: one run now, in the foreground; by the host that is running where there is one. */
export async function runCommand(name: string | undefined, options: RunOptions): Promise<number> {
  const stop = listenForStop();
  const here = options.dryRun === true || options.inProcess === true;
  try {
    const remote = here ? undefined : await findRemote(options);
    if (remote) {
      stop.onStop(
        'The run goes on in the host; otw runs shows it, and otw pause keeps the next one from beginning.',
      );
      const code = await runByHost(remote, name, options, stop.signal);
      return stop.code() ?? code;
    }
    const code = await withContext(options, { role: 'run', source: true }, (context) =>
      runOne(context, name, options, stop),
    );
    return stop.code() ?? code;
  } catch (error) {
    const code = stop.code();
    if (code !== undefined) return code;
    if (error instanceof AlreadyRunning)
      throw new HostError(exitCodes.failed, error.message, { cause: error });
    throw error;
  } finally {
    stop.end();
  }
}
