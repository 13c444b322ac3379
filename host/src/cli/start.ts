import { exitCodes } from '../host-error.ts';
import { listen, type ApiServer } from '../http/server.ts';
import { checkAccess } from '../http/usable-key.ts';
import { endEarlyStop, stopSignals } from './early-stop.ts';
import { openContext, type CommandContext, type GlobalOptions } from './context.ts';
import { say } from './output.ts';
import { showProgress } from './progress.ts';
import { formatSummary } from './run-summary.ts';

// What is read is finished and recorded within seven seconds of them (scheduler.ts); a supervisor kills after ten or more.
const leaveAfterMs = 9_700;

function banner({ config, storage }: CommandContext, url: string): void {
  const database = storage.kind === 'external' ? 'DATABASE_URL' : `embedded Postgres in ${config.dataDir}`;
  const part = { all: '', api: 'role api: no runs; ', worker: 'role worker: health and metrics alone; ' }[
    config.role
  ];
  say(`on the way is serving on ${url} (${part}database: ${database})`);
  if (config.demo) {
    say('Demo: a simulated Garmin account, invented data. Set GARMIN_EMAIL to read your own.');
  }
}

function lookAround(url: string): void {
  say('Look around (all of it simulated):');
  say(`  API       ${url}/v1/health/connector`);
  say(`  curl      curl -s '${url}/v1/runs?limit=1'`);
  say('  coverage  npx otw coverage garmin');
  say(
    `  SQL       npx otw query "select payload_json->>'metric_type' as metric, count(*) from raw.raw_event group by 1 order by 1"`,
  );
}

/** Tells what the first run brought; in the demo also where to look, at once where it ran before. */
async function showArrival({ config, host }: CommandContext, url: string): Promise<void> {
  const health = await host.connections.health(config.connections.map(({ name }) => name));
  const seen = health.some(({ lastStatus }) => lastStatus === 'ok');
  if (config.demo && seen) lookAround(url);
  host.bus.once('run:finished', (summary) => {
    say(`\n${formatSummary(summary, config.timeZone)}\n`);
    if (config.demo && !seen && summary.status !== 'interrupted') lookAround(url);
  });
}

async function stopAll(server: ApiServer, { scheduler, notifier }: CommandContext['host']): Promise<void> {
  server.drain();
  notifier.stop();
  await scheduler.stop();
  await server.close();
}

/** However a stop goes: whoever waits for it gets the process ended, with a code that says that something was left. */
function leaveSoon(): void {
  setTimeout(() => {
    say('Did not stop in time; leaving.');
    process.exit(exitCodes.failed);
  }, leaveAfterMs).unref();
}

/** Resolves with the first signal to stop; a second one ends the process at once. */
function stopSignal(): Promise<'signal'> {
  return new Promise((resolve) => {
    let signalled = false;
    for (const signal of stopSignals) {
      process.on(signal, () => {
        if (signalled) process.exit(signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted);
        signalled = true;
        leaveSoon();
        resolve('signal');
      });
    }
    endEarlyStop();
  });
}

async function serve(context: CommandContext, stop: Promise<'signal'>): Promise<number> {
  const { host, storage, config } = context;
  await checkAccess(config, host.apiKeys);
  if (config.role !== 'worker') await host.contracts.all();
  // Past the limit nobody looks at the path.
  const refused = { method: 'other', route: 'none', status: 503, seconds: 0 };
  const onRefused = (): void => host.metrics.http.observe(refused);
  const server = await listen(host.app, { host: config.host, port: config.port, onRefused });
  const { url } = server;
  storage.publish(url);
  banner(context, url);
  showProgress(host.bus, process.stderr);
  await showArrival(context, url);
  host.scheduler.start();
  host.notifier.start();
  const why = await Promise.race([stop, storage.ended.then(() => 'database' as const)]);
  say(why === 'signal' ? 'Stopping …' : 'The embedded Postgres ended by itself; stopping …');
  if (why === 'database') leaveSoon();
  await stopAll(server, host);
  return why === 'signal' ? exitCodes.done : exitCodes.unreachable;
}

/** `otw start`: the daemon. Ends with exit code 0 when it is told to stop, also while it starts. */
export async function startCommand(options: GlobalOptions): Promise<number> {
  const stop = stopSignal();
  let told = false;
  void stop.then(() => (told = true));
  const context = await openContext(options, {
    role: 'start',
    exclusive: true,
    source: true,
    logLevel: 'info',
  });
  try {
    return told ? exitCodes.done : await serve(context, stop);
  } finally {
    await context.close();
  }
}
