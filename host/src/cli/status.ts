import { formatInstant } from '@on-the-way/sdk';
import { exitCodes } from '../host-error.ts';
import type { Stamp } from '../http/app-parts.ts';
import { shownState } from '../http/connections.ts';
import { shownHost } from '../http/hosts.ts';
import { shownRun } from '../http/runs.ts';
import type { ConnectionHealth, ConnectionState } from '../storage/connections.ts';
import type { KnownHost } from '../storage/hosts.ts';
import { chosenConnection, withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { formatTable, paint, print, printJson, say, simulatedNote } from './output.ts';

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

interface Known {
  readonly health: ConnectionHealth;
  readonly state: ConnectionState | undefined;
  /** Dead letters. */
  readonly waiting: number;
}

/** A connection as the database knows it. */
function shownStatus({ config }: CommandContext, { health, state, waiting }: Known) {
  const { connection, lastErrorCode: code, lastErrorMessage: message } = health;
  const stamp = stampOf(config);
  return {
    name: connection,
    simulated: config.demo,
    ...shownState(state, stamp),
    last_status: health.lastStatus,
    last_run_at: stamp(health.lastRunAt),
    login_not_before: stamp(state?.loginNotBefore),
    success_count: health.successCount,
    failure_count: health.failureCount,
    dead_letters: waiting,
    last_error: code === null ? null : { code, message },
  };
}

function stampOf({ timeZone }: CommandContext['config']): Stamp {
  return (at) => (at === null || at === undefined ? null : formatInstant(Number(at), timeZone));
}

/** A line for each host: which process it is, and how much of the work it has. */
function linesOf(hosts: readonly KnownHost[]): string[] {
  const planner = hosts.find(({ role }) => role === 'all' || role === 'worker');
  if (!planner) return ['No host is running that reads what is due; otw start starts one.'];
  return hosts.map(({ hostId, name, pid, role, version, connections }) => {
    const has = connections === 1 ? '1 connection' : `${connections} connections`;
    return `Host ${hostId.slice(0, 8)}: ${role} on ${name} (process ${pid}, version ${version}) has ${has}.`;
  });
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
    const names = config.connections.map(({ name }) => name);
    const healths = await host.connections.health(names);
    const states = await host.connections.states(names);
    const letters = await host.letters.waiting();
    const hosts = await host.hosts.list();
    const items = healths.map((health) => {
      const { connection: name } = health;
      return shownStatus(context, { health, state: states.get(name), waiting: letters.get(name) ?? 0 });
    });
    if (options.json === true)
      printJson({ connections: items, hosts: hosts.map((each) => shownHost(each, stampOf(config))) });
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
      for (const line of [...items.flatMap(pausesOf), ...linesOf(hosts)]) print(line);
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
