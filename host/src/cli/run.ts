import { planSlices, type Slice } from '@on-the-way/core';
import { addDays, ConnectorError, dayAt, isDay, type Window } from '@on-the-way/sdk';
import type { ConnectionConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { AlreadyRunning, type RunRequest } from '../run-service.ts';
import { chosenConnection, withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { formatTable, print, printJson, say, simulatedNote } from './output.ts';
import { showProgress } from './progress.ts';
import { terminalPrompt } from './prompt.ts';
import { exitCodeOf, formatSummary, summaryJson } from './run-summary.ts';

/** Options of `otw run`. */
export interface RunOptions extends GlobalOptions {
  readonly from?: string;
  readonly to?: string;
  readonly dataset?: string;
  readonly dryRun?: boolean;
  readonly inProcess?: boolean;
}

function dayOption(name: string, value: string): string {
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
  return host.service.withConnector(connection, request, async ({ datasets }) =>
    planSlices({
      datasets,
      entries: await host.ledger.read(connection.name, backfillFrom),
      now,
      timeZone: connection.timeZone,
      windowDays: connection.windowDays,
      backfillFrom,
      ...(signedInAt && { signedInAt: signedInAt.getTime() }),
      ...(request.only && { only: request.only }),
      ...(request.onlyDatasets && { onlyDatasets: request.onlyDatasets }),
    }),
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

async function runOne(
  context: CommandContext,
  name: string | undefined,
  options: RunOptions,
  signal: AbortSignal,
): Promise<number> {
  const { config, host, storage } = context;
  const connection = chosenConnection(config, name);
  const only = windowOption(options, dayAt(Date.now(), connection.timeZone));
  const prompt = terminalPrompt();
  const request: RunRequest = {
    trigger: 'person',
    signal,
    ...(only && { only }),
    ...(options.dataset !== undefined && {
      onlyDatasets: options.dataset.split(',').map((part) => part.trim()),
    }),
    ...(prompt && { prompt }),
    ...(options.inProcess === true && { inProcess: true }),
  };
  const json = options.json === true;
  if (options.dryRun === true) {
    showPlan(await dryRun(context, connection, request).catch(refuseInPause), json);
    return exitCodes.done;
  }
  if (config.demo) say(simulatedNote);
  if (storage.kind === 'attached') say('Sharing the database of the host that is running.');
  showProgress(host.bus, process.stderr);
  const summary = await host.service.execute(connection, request);
  if (json) printJson(summaryJson(summary, config.timeZone));
  else print(formatSummary(summary, config.timeZone));
  if (summary.error && json) say(`${summary.error.code}: ${summary.error.message}`);
  return exitCodeOf(summary);
}

/** `otw run`: one run now, in the foreground. */
export async function runCommand(name: string | undefined, options: RunOptions): Promise<number> {
  const stop = new AbortController();
  let signalled: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signalled !== undefined) process.exit(signalled);
    signalled = signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    say('Stopping; what was read is kept. Once more to leave at once.');
    stop.abort(new DOMException('Told to stop', 'AbortError'));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const code = await withContext(options, { role: 'run', source: true }, (context) =>
      runOne(context, name, options, stop.signal),
    );
    return signalled ?? code;
  } catch (error) {
    if (signalled !== undefined) return signalled;
    if (error instanceof AlreadyRunning)
      throw new HostError(exitCodes.failed, error.message, { cause: error });
    throw error;
  }
}
