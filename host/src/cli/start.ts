import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HostConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { openContext, type CommandContext, type GlobalOptions } from './context.ts';
import { say } from './output.ts';
import { showProgress } from './progress.ts';
import { formatSummary } from './run-summary.ts';

const stopWithinMs = 9_000;

async function listen(context: CommandContext): Promise<Server> {
  const { config, host } = context;
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 },
    host.app,
  );
  server.maxConnections = 256;
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject).listen(config.port, config.host, listening.resolve);
  try {
    await listening.promise;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new HostError(
      exitCodes.badConfig,
      `API_PORT: expected a port of ${config.host} that can be listened on, found ${config.port} (${code}); for example API_PORT=8010`,
      { cause },
    );
  }
  return server;
}

function addressOf(server: Server, config: HostConfig): string {
  const { port } = server.address() as AddressInfo;
  return `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
}

function banner({ config, storage }: CommandContext, url: string): void {
  const database = storage.kind === 'external' ? 'DATABASE_URL' : `embedded Postgres in ${config.dataDir}`;
  say(`on the way is serving on ${url} (database: ${database})`);
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

async function stopAll(server: Server, { scheduler }: CommandContext['host']): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await scheduler.stop();
  server.closeAllConnections();
  await closed;
}

/** Resolves with the first signal to stop; a second one ends the process at once. */
function stopSignal(): Promise<'signal'> {
  return new Promise((resolve) => {
    let signalled = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (signalled) process.exit(exitCodes.interrupted);
        signalled = true;
        resolve('signal');
      });
    }
  });
}

async function serve(context: CommandContext, stop: Promise<'signal'>): Promise<number> {
  const { host, storage, config, log } = context;
  const server = await listen(context);
  const url = addressOf(server, config);
  storage.publish(url);
  banner(context, url);
  showProgress(host.bus, process.stderr);
  await showArrival(context, url);
  host.scheduler.start();
  const why = await Promise.race([stop, storage.ended.then(() => 'database' as const)]);
  say(why === 'signal' ? 'Stopping …' : 'The embedded Postgres ended by itself; stopping …');
  setTimeout(() => {
    log.error('did not stop in time; leaving');
    process.exit(exitCodes.failed);
  }, stopWithinMs).unref();
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
