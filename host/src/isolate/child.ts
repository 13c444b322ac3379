// The process connectors run in, one run after the other. Started by child-process.ts, talks over file
// descriptor 3, has no database credentials, no host environment and no right to read files but its own.
import { AsyncLocalStorage } from 'node:async_hooks';
import { Socket } from 'node:net';
import { failureOf, PluginBug } from '@on-the-way/core/child';
import { createUse, describePlugin, type ConnectorUse } from './child-use.ts';
import { createLineSplitter, encode, encodeLine } from './lines.ts';
import type { FromChild, ToChild } from './protocol.ts';

const host = new Socket({ fd: 3, readable: true, writable: true });
host.setEncoding('utf8');
// Whose code it is that throws, or wants to leave: a run that is over must not cost the one that is on.
const owner = new AsyncLocalStorage<ConnectorUse>();
let use: ConnectorUse = createUse(send);

function send(message: FromChild): void {
  // Before anything is held back: what a plugin says may be nothing that JSON can say.
  const pieces = encode(message);
  host.cork();
  for (const piece of pieces) host.write(piece);
  host.uncork();
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

async function release(ended: ConnectorUse): Promise<void> {
  const isDone = await ended.close();
  // What ends with the run may take another turn of the loop.
  await new Promise<void>((resolve) => setImmediate(resolve));
  // A timer that is left behind would run in another account's run.
  send({ type: 'released', reusable: isDone && timers() === 0 });
}

async function describe({ plugin, wanted }: Extract<ToChild, { type: 'describe' }>): Promise<void> {
  try {
    send({ type: 'described', facts: await describePlugin(plugin, wanted) });
  } catch (error) {
    send({ type: 'failed', error: failureOf(error) });
  }
}

function receive(message: ToChild): void {
  switch (message.type) {
    case 'ping':
      return send({ type: 'pong', residentMb: Math.round(process.memoryUsage.rss() / 1024 ** 2) });
    case 'describe':
      return void describe(message);
    case 'release':
      return void owner.run(use, release, use);
    case 'close':
      return void owner.run(use, () => use.close()).finally(() => leave(0));
    case 'open':
      use = createUse(send);
      return owner.run(use, () => use.receive(message));
    default:
      return owner.run(use, () => use.receive(message));
  }
}

function lateBug(kind: string) {
  return (error: unknown): void => {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const bug = new PluginBug(`Expected the plugin to handle its errors, got an ${kind}: ${what}`);
    if (owner.getStore()?.hasEnded === true) return send({ type: 'left_behind', message: bug.message });
    // The state is unknown after this; say why, then end.
    host.end(encodeLine({ type: 'failed', error: failureOf(bug) }), () => leave(1));
  };
}

const leave = process.exit.bind(process);
process.exit = (code) => {
  if (owner.getStore()?.hasEnded !== true) leave(code);
  throw new Error('Expected process.exit to be called within a run, but the run is over');
};

// Node's permission model lets a process end others, its host among them. process.kill goes through this.
function restrict(name: '_kill' | '_debugProcess'): void {
  const internals = process as unknown as Record<string, (pid: number, signal: number) => unknown>;
  const original = internals[name]?.bind(process);
  const value = (pid: number, signal: number): unknown => {
    if (pid === process.pid) return original?.(pid, signal);
    const message = 'Access to other processes has been restricted';
    throw Object.assign(new Error(message), { code: 'ERR_ACCESS_DENIED', permission: 'Process' });
  };
  Object.defineProperty(process, name, { value });
}
restrict('_kill');
restrict('_debugProcess');

process.on('uncaughtException', lateBug('uncaught exception'));
process.on('unhandledRejection', lateBug('unhandled rejection'));
// The host decides when to stop; the terminal's Ctrl-C goes to it alone.
process.on('SIGINT', () => undefined);
host.on(
  'data',
  createLineSplitter((line) => receive(JSON.parse(line) as ToChild)),
);
// The host is gone, killed even: nothing may outlive it.
host.on('close', () => leave(0));
host.on('end', () => leave(0));
host.on('error', () => leave(0));
