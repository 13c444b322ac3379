import { formatInstant } from '@on-the-way/sdk';
import { exitCodes } from '../host-error.ts';
import { shownRun } from '../http/runs.ts';
import { chosenConnection, withContext, type GlobalOptions } from './context.ts';
import { formatTable, paint, print, printJson, say, simulatedNote } from './output.ts';

const statusStyles: Readonly<Record<string, 'green' | 'yellow' | 'red' | 'dim'>> = {
  ok: 'green',
  succeeded: 'green',
  partial: 'yellow',
  running: 'yellow',
  error: 'red',
  failed: 'red',
};

function coloured(status: string): string {
  return paint(statusStyles[status] ?? 'dim', status);
}

/** `otw status`: how each connection stands. */
export function statusCommand(options: GlobalOptions): Promise<number> {
  return withContext(options, { role: 'status' }, async ({ config, host }) => {
    const stamp = (at: Date | null): string | null =>
      at ? formatInstant(at.getTime(), config.timeZone) : null;
    const health = await host.connections.health(config.connections.map(({ name }) => name));
    const waiting = await host.letters.waiting();
    const items = await Promise.all(
      health.map(async (known) => ({
        name: known.connection,
        simulated: config.demo,
        last_status: known.lastStatus,
        last_run_at: stamp(known.lastRunAt),
        not_before: stamp((await host.connections.state(known.connection)).notBefore),
        success_count: known.successCount,
        failure_count: known.failureCount,
        dead_letters: waiting.get(known.connection) ?? 0,
        last_error:
          known.lastErrorCode === null
            ? null
            : { code: known.lastErrorCode, message: known.lastErrorMessage },
      })),
    );
    if (options.json === true) printJson({ connections: items });
    else {
      const rows = items.map((item) => [
        item.name,
        coloured(item.last_status),
        item.last_run_at ?? 'never',
        item.success_count,
        item.failure_count,
        item.dead_letters,
        item.last_error ? `${item.last_error.code}: ${item.last_error.message}` : '',
      ]);
      print(formatTable(['connection', 'last run', 'at', 'good runs', 'bad runs', 'set aside', 'why'], rows));
      if (config.demo) say(simulatedNote);
    }
    return exitCodes.done;
  });
}

/** `otw runs`: the newest runs. */
export function runsCommand(
  name: string | undefined,
  options: GlobalOptions & { limit?: number },
): Promise<number> {
  return withContext(options, { role: 'runs' }, async ({ config, host }) => {
    if (name !== undefined) chosenConnection(config, name);
    const runs = await host.runs.list({
      ...(name !== undefined && { connection: name }),
      limit: options.limit ?? 20,
    });
    const stamp = (at: Date | number | null | undefined): string | null =>
      at === null || at === undefined ? null : formatInstant(Number(at), config.timeZone);
    const items = runs.map((run) => shownRun(run, stamp));
    if (options.json === true) printJson({ runs: items });
    else {
      const rows = items.map((run) => {
        const counts = Object.values(run.datasets);
        const sum = (key: 'ok' | 'no_data' | 'failed' | 'written'): number =>
          counts.reduce((total, each) => total + each[key], 0);
        const totals = [sum('ok'), sum('no_data'), sum('failed'), sum('written'), run.requests];
        return [
          run.started_at ?? '',
          run.connection,
          coloured(run.status),
          ...totals,
          run.error?.code ?? (run.skipped === null ? '' : 'skipped'),
          run.run_id,
        ];
      });
      print(
        formatTable(
          ['started', 'connection', 'status', 'ok', 'no_data', 'failed', 'written', 'requests', 'why', 'run'],
          rows,
        ),
      );
    }
    if (config.demo && options.json !== true) say(simulatedNote);
    return exitCodes.done;
  });
}
