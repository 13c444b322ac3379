import { formatInstant } from '@on-the-way/sdk';
import { exitCodes } from '../host-error.ts';
import { shownRun } from '../http/runs.ts';
import type { ConnectionHealth } from '../storage/connections.ts';
import { chosenConnection, withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { formatTable, paint, print, printJson, say, simulatedNote } from './output.ts';
import { askHost } from './remote.ts';

const statusStyles: Readonly<Record<string, 'green' | 'yellow' | 'red' | 'dim'>> = {
  ok: 'green',
  succeeded: 'green',
  partial: 'yellow',
  running: 'yellow',
  paused: 'yellow',
  error: 'red',
  failed: 'red',
};

function coloured(status: string): string {
  return paint(statusStyles[status] ?? 'dim', status);
}

type Shown = Awaited<ReturnType<typeof shownStatus>>;

/** A connection as the database knows it, with what the host that is running says of the next run. */
async function shownStatus({ config, host }: CommandContext, known: ConnectionHealth, waiting: number) {
  const { connection, lastErrorCode: code, lastErrorMessage: message } = known;
  const stamp = (at: Date | null): string | null =>
    at ? formatInstant(at.getTime(), config.timeZone) : null;
  const state = await host.connections.state(connection);
  const running = (await host.claims.held([connection])).has(connection);
  return {
    name: connection,
    simulated: config.demo,
    state: running ? 'running' : state.pausedAt ? 'paused' : 'waiting',
    paused_at: stamp(state.pausedAt),
    last_status: known.lastStatus,
    last_run_at: stamp(known.lastRunAt),
    not_before: stamp(state.notBefore),
    login_not_before: stamp(state.loginNotBefore),
    success_count: known.successCount,
    failure_count: known.failureCount,
    dead_letters: waiting,
    last_error: code === null ? null : { code, message },
  };
}

/** What keeps a connection waiting, a line each. */
function pausesOf({ name, paused_at, not_before, login_not_before }: Shown): string[] {
  const lasts = (at: string | null): at is string => at !== null && Date.parse(at) > Date.now();
  return [
    ...(paused_at === null ? [] : [`${name} is paused since ${paused_at}: otw resume ${name} ends it.`]),
    ...(lasts(not_before) ? [`${name}: the source wants no question before ${not_before}.`] : []),
    ...(lasts(login_not_before)
      ? [`${name}: a sign-in was refused, and none is tried before ${login_not_before}.`]
      : []),
  ];
}

/** `otw status`: how each connection stands. */
export function statusCommand(options: GlobalOptions): Promise<number> {
  return withContext(options, { role: 'status' }, async (context) => {
    const { config, host } = context;
    const health = await host.connections.health(config.connections.map(({ name }) => name));
    const waiting = await host.letters.waiting();
    const told = new Map((await askHost(config)).map((each) => [each.name, each.next_run_at]));
    const items = await Promise.all(
      health.map(async (known) => ({
        ...(await shownStatus(context, known, waiting.get(known.connection) ?? 0)),
        next_run_at: told.get(known.connection) ?? null,
      })),
    );
    if (options.json === true) printJson({ connections: items });
    else {
      const rows = items.map((item) => [
        item.name,
        coloured(item.state),
        coloured(item.last_status),
        item.last_run_at ?? 'never',
        item.next_run_at ?? '',
        item.success_count,
        item.failure_count,
        item.dead_letters,
        item.last_error ? `${item.last_error.code}: ${item.last_error.message}` : '',
      ]);
      const counts = ['good runs', 'bad runs', 'set aside'];
      print(formatTable(['connection', 'state', 'last run', 'at', 'next run', ...counts, 'why'], rows));
      for (const line of items.flatMap(pausesOf)) print(line);
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
