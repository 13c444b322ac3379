// The process a connector runs in. Started by process-connector.ts, talks over file descriptor 3, has no
// database credentials, no host environment and no right to read files but its own.
import { Socket } from 'node:net';
import {
  createRequestMeter,
  failureOf,
  openConnector,
  PluginBug,
  type OpenConnector,
  type RequestMeter,
} from '@on-the-way/core';
import {
  ConnectorError,
  connectorErrorCodes,
  secretsOf,
  type Connector,
  type JsonValue,
  type Log,
  type Prompt,
  type Tokens,
} from '@on-the-way/sdk';
import {
  createLineSplitter,
  encode,
  type CallMethod,
  type FromChild,
  type ToChild,
  type WireError,
} from './protocol.ts';

interface Fetching {
  readonly abort: AbortController;
  credits: number;
  granted: () => void;
}

const host = new Socket({ fd: 3, readable: true, writable: true });
host.setEncoding('utf8');
const lifetime = new AbortController();
const work = new Map<number, Fetching>();
const calls = new Map<number, PromiseWithResolvers<JsonValue | undefined>>();
let nextCall = 1;
let connector: OpenConnector | undefined;
let meter: RequestMeter = createRequestMeter();

function send(message: FromChild): boolean {
  return host.write(encode(message));
}

/** What the host could not do, in the code it said; it says codes of connectors only. */
function replyError({ code, message }: WireError): ConnectorError {
  const known = connectorErrorCodes.find((candidate) => candidate === code);
  return new ConnectorError(known ?? 'config', message);
}

function wire(error: unknown): WireError {
  return failureOf(error);
}

function call(method: CallMethod, ...args: JsonValue[]): Promise<JsonValue | undefined> {
  const id = nextCall++;
  const answer = Promise.withResolvers<JsonValue | undefined>();
  calls.set(id, answer);
  send({ type: 'call', id, method, args });
  return answer.promise;
}

function logger(level: 'debug' | 'info' | 'warn'): Log['debug'] {
  return (message, fields) => send({ type: 'log', level, message, ...(fields && { fields }) });
}

const log: Log = { debug: logger('debug'), info: logger('info'), warn: logger('warn') };

async function load(url: string): Promise<Connector> {
  const module = (await import(url)) as { default?: Partial<Connector> };
  if (module.default?.kind === 'connector') return module.default as Connector;
  throw new ConnectorError(
    'config',
    'Expected the module to export default defineConnector({…}), found something else: check the plugin name',
  );
}

const prompt: Prompt = async ({ message, hidden = false }) => {
  const answer = await call('prompt', message, hidden);
  return typeof answer === 'string' ? answer : '';
};

const tokens: Tokens = {
  load: (field) => call('tokens.load', field),
  save: async (field, value) => void (await call('tokens.save', field, value)),
  async update(field, change) {
    await call('tokens.lock');
    try {
      const saved = await call('tokens.load', field);
      const next = await change(saved);
      if (next === undefined) return saved;
      await call('tokens.save', field, next);
      return next;
    } finally {
      await call('tokens.unlock');
    }
  },
};

async function open(request: Extract<ToChild, { type: 'open' }>): Promise<void> {
  const plugin = await load(request.plugin);
  send({ type: 'secrets', values: secretsOf(plugin.config, request.config) });
  // Told request by request, so that one that takes the process down is counted too.
  meter = createRequestMeter(request.requestBudget, (made) => send({ type: 'requests', made }));
  connector = await openConnector({
    connector: plugin,
    config: request.config,
    timeZone: request.timeZone,
    ...(request.versionOverride !== undefined && { versionOverride: request.versionOverride }),
    tokens,
    meter,
    ...(request.interactive && { prompt }),
    ...(request.signIn && { signIn: request.signIn }),
    ...(request.signInPausedUntil !== undefined && { signInPausedUntil: request.signInPausedUntil }),
    ...(request.recording && { record: (answer) => void send({ type: 'recorded', answer }) }),
    log,
    clock: { now: () => Date.now() },
    signal: lifetime.signal,
  });
  const { accountRef, datasets, version } = connector;
  send({ type: 'opened', accountRef, datasets, version });
}

/** Runs `job` under an id the host can abort, and reports how it ended. */
async function perform(
  id: number,
  credits: number,
  job: (fetching: Fetching) => Promise<JsonValue | undefined | void>,
): Promise<void> {
  const fetching: Fetching = { abort: new AbortController(), credits, granted: () => undefined };
  work.set(id, fetching);
  try {
    const value = await job(fetching);
    send({ type: 'done', id, ...(value !== undefined && { value }) });
  } catch (error) {
    send({ type: 'failed', id, error: wire(error) });
  } finally {
    work.delete(id);
  }
}

async function fetchSlice(request: Extract<ToChild, { type: 'fetch' }>): Promise<void> {
  await perform(request.id, request.credits, async (fetching) => {
    const { signal } = fetching.abort;
    if (!connector) throw new PluginBug('Expected to be opened before a fetch');
    for await (const events of connector.fetch(request, signal)) {
      while (fetching.credits === 0 && !signal.aborted) await creditOf(fetching);
      signal.throwIfAborted();
      fetching.credits -= 1;
      send({ type: 'batch', id: request.id, events });
    }
  });
}

function creditOf(fetching: Fetching): Promise<void> {
  return new Promise((resolve) => {
    fetching.granted = resolve;
  });
}

async function answer(
  message: Extract<ToChild, { type: 'ask' }>,
  signal: AbortSignal,
): Promise<JsonValue | undefined> {
  if (!connector) throw new PluginBug('Expected to be opened before it is asked');
  if (message.what === 'dayMarks') return connector.dayMarks(message.window, signal);
  if (message.what === 'lastChange') return connector.lastChange(signal);
  await connector.check(signal);
  return undefined;
}

function receive(message: ToChild): void {
  switch (message.type) {
    case 'open':
      open(message).catch((error: unknown) => {
        send({ type: 'failed', error: wire(error) });
      });
      return;
    case 'fetch':
      void fetchSlice(message);
      return;
    case 'ask':
      void perform(message.id, 0, ({ abort }) => answer(message, abort.signal));
      return;
    case 'credit': {
      const fetching = work.get(message.id);
      if (fetching) fetching.credits += 1;
      fetching?.granted();
      return;
    }
    case 'abort': {
      const fetching = work.get(message.id);
      fetching?.abort.abort();
      fetching?.granted();
      return;
    }
    case 'reply': {
      const answer = calls.get(message.id);
      calls.delete(message.id);
      if (message.error) answer?.reject(replyError(message.error));
      else answer?.resolve(message.value);
      return;
    }
    case 'ping':
      send({ type: 'pong' });
      return;
    case 'close':
      void (connector?.close() ?? Promise.resolve()).finally(() => process.exit(0));
  }
}

function lateBug(kind: string) {
  return (error: unknown): void => {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const bug = new PluginBug(`Expected the plugin to handle its errors, got an ${kind}: ${what}`);
    // The state is unknown after this; say why, then end.
    host.end(encode({ type: 'failed', error: wire(bug) }), () => process.exit(1));
  };
}

process.on('uncaughtException', lateBug('uncaught exception'));
process.on('unhandledRejection', lateBug('unhandled rejection'));
// The host decides when to stop; the terminal's Ctrl-C goes to it alone.
process.on('SIGINT', () => undefined);
host.on(
  'data',
  createLineSplitter((line) => receive(JSON.parse(line) as ToChild)),
);
// The host is gone, killed even: nothing may outlive it.
host.on('close', () => process.exit(0));
host.on('end', () => process.exit(0));
host.on('error', () => process.exit(0));
