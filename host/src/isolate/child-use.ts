import {
  createRequestMeter,
  failureOf,
  openConnector,
  PluginBug,
  type OpenConnector,
} from '@on-the-way/core/child';
import {
  ConnectorError,
  connectorErrorCodes,
  secretsOf,
  type JsonValue,
  type Log,
  type Prompt,
  type Tokens,
} from '@on-the-way/sdk';
import { loadPlugin } from './load-plugin.ts';
import type { WantedKind } from './plugin-shape.ts';
import type { CallMethod, FromChild, PluginFacts, ToChild, WireError } from './protocol.ts';

/** What the host asks for within a run. */
type UseMessage = Extract<
  ToChild,
  { readonly type: 'open' | 'fetch' | 'credit' | 'ask' | 'abort' | 'reply' }
>;

/** One run's use of the process: everything that belongs to the run is in here and goes with it. */
export interface ConnectorUse {
  /** Once true, nothing of this run reaches the host any more. */
  readonly hasEnded: boolean;
  receive(message: UseMessage): void;
  /** Says goodbye to the source, gives up what is under way. Resolves with whether all of it has ended. */
  close(): Promise<boolean>;
}

interface Fetching {
  readonly abort: AbortController;
  credits: number;
  granted: () => void;
}

interface Calls {
  call(method: CallMethod, ...args: JsonValue[]): Promise<JsonValue | undefined>;
  answered(reply: Extract<ToChild, { type: 'reply' }>): void;
  /** Whoever still waits is told that nobody will answer. */
  end(): void;
}

type Send = (message: FromChild) => void;

/** What the host could not do, in the code it said; it says codes of connectors only. */
function replyError({ code, message }: WireError): ConnectorError {
  const known = connectorErrorCodes.find((candidate) => candidate === code);
  return new ConnectorError(known ?? 'config', message);
}

function createCalls(send: Send): Calls {
  const waiting = new Map<number, PromiseWithResolvers<JsonValue | undefined>>();
  const over = () => new ConnectorError('config', 'Expected to be called within a run, but it is over');
  let nextId = 1;
  let isOver = false;
  return {
    async call(method, ...args) {
      if (isOver) throw over();
      const id = nextId++;
      const answer = Promise.withResolvers<JsonValue | undefined>();
      waiting.set(id, answer);
      send({ type: 'call', id, method, args });
      return answer.promise;
    },
    answered({ id, value, error }) {
      const answer = waiting.get(id);
      waiting.delete(id);
      if (error) answer?.reject(replyError(error));
      else answer?.resolve(value);
    },
    end() {
      isOver = true;
      for (const answer of waiting.values()) {
        answer.promise.catch(() => undefined);
        answer.reject(over());
      }
      waiting.clear();
    },
  };
}

function tokensOf({ call }: Calls): Tokens {
  return {
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
}

function promptOf({ call }: Calls): Prompt {
  return async ({ message, hidden = false }) => {
    const answer = await call('prompt', message, hidden);
    return typeof answer === 'string' ? answer : '';
  };
}

function logOf(send: Send): Log {
  const at =
    (level: 'debug' | 'info' | 'warn'): Log['debug'] =>
    (message, fields) =>
      send({ type: 'log', level, message, ...(fields && { fields }) });
  return { debug: at('debug'), info: at('info'), warn: at('warn') };
}

/** Opens the connector as the host wishes, and says so. */
async function open(
  request: Extract<ToChild, { type: 'open' }>,
  { send, calls, signal }: { readonly send: Send; readonly calls: Calls; readonly signal: AbortSignal },
): Promise<{ readonly connector: OpenConnector; readonly mayServeMore: boolean }> {
  const plugin = await loadPlugin(request.plugin, 'connector');
  send({ type: 'secrets', values: secretsOf(plugin.config, request.config) });
  const connector = await openConnector({
    connector: plugin,
    config: request.config,
    timeZone: request.timeZone,
    ...(request.versionOverride !== undefined && { versionOverride: request.versionOverride }),
    tokens: tokensOf(calls),
    // Told request by request, so that one that takes the process down is counted too.
    meter: createRequestMeter(request.requestBudget, (made) => send({ type: 'requests', made })),
    ...(request.interactive && { prompt: promptOf(calls) }),
    ...(request.signIn && { signIn: request.signIn }),
    ...(request.signInPausedUntil !== undefined && { signInPausedUntil: request.signInPausedUntil }),
    ...(request.recording && { record: (answer) => send({ type: 'recorded', answer }) }),
    log: logOf(send),
    clock: { now: () => Date.now() },
    signal,
  });
  const { accountRef, datasets, version } = connector;
  send({ type: 'opened', accountRef, datasets, version });
  return { connector, mayServeMore: plugin.isolation !== 'run' };
}

class Use implements ConnectorUse {
  readonly #send: Send;
  readonly #calls: Calls;
  readonly #lifetime = new AbortController();
  readonly #work = new Map<number, Fetching>();
  #opened: { readonly connector: OpenConnector; readonly mayServeMore: boolean } | undefined;
  #hasEnded = false;

  constructor(send: Send) {
    // Whatever still holds on to this run, a timer or a promise, speaks to nobody once it has ended.
    this.#send = (message) => {
      if (!this.#hasEnded) send(message);
    };
    this.#calls = createCalls(this.#send);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  receive(message: UseMessage): void {
    switch (message.type) {
      case 'open':
        return void this.#open(message);
      case 'fetch':
        return void this.#fetch(message);
      case 'ask':
        return void this.#perform(message.id, 0, ({ abort }) => this.#answer(message, abort.signal));
      case 'credit': {
        const fetching = this.#work.get(message.id);
        if (fetching) fetching.credits += 1;
        return fetching?.granted();
      }
      case 'abort': {
        const fetching = this.#work.get(message.id);
        fetching?.abort.abort();
        return fetching?.granted();
      }
      case 'reply':
        return this.#calls.answered(message);
    }
  }

  async close(): Promise<boolean> {
    if (this.#hasEnded) return false;
    for (const { abort, granted } of this.#work.values()) {
      abort.abort();
      granted();
    }
    await this.#opened?.connector.close();
    this.#lifetime.abort();
    const isClean = this.#opened?.mayServeMore === true && this.#work.size === 0;
    this.#hasEnded = true;
    this.#calls.end();
    return isClean;
  }

  async #open(request: Extract<ToChild, { type: 'open' }>): Promise<void> {
    const { signal } = this.#lifetime;
    try {
      this.#opened = await open(request, { send: this.#send, calls: this.#calls, signal });
    } catch (error) {
      this.#send({ type: 'failed', error: failureOf(error) });
    }
  }

  /** Runs `job` under an id the host can abort, and reports how it ended. */
  async #perform(
    id: number,
    credits: number,
    job: (fetching: Fetching) => Promise<JsonValue | undefined | void>,
  ): Promise<void> {
    const fetching: Fetching = { abort: new AbortController(), credits, granted: () => undefined };
    this.#work.set(id, fetching);
    try {
      const value = await job(fetching);
      this.#send({ type: 'done', id, ...(value !== undefined && { value }) });
    } catch (error) {
      this.#send({ type: 'failed', id, error: failureOf(error) });
    } finally {
      this.#work.delete(id);
    }
  }

  async #fetch(request: Extract<ToChild, { type: 'fetch' }>): Promise<void> {
    await this.#perform(request.id, request.credits, async (fetching) => {
      const { signal } = fetching.abort;
      if (!this.#opened) throw new PluginBug('Expected to be opened before a fetch');
      for await (const { events, checkpoint } of this.#opened.connector.fetch(request, signal)) {
        while (fetching.credits === 0 && !signal.aborted) {
          await new Promise<void>((resolve) => (fetching.granted = resolve));
        }
        signal.throwIfAborted();
        fetching.credits -= 1;
        this.#send({
          type: 'batch',
          id: request.id,
          events,
          ...(checkpoint !== undefined && { checkpoint }),
        });
      }
    });
  }

  async #answer(
    message: Extract<ToChild, { type: 'ask' }>,
    signal: AbortSignal,
  ): Promise<JsonValue | undefined> {
    if (!this.#opened) throw new PluginBug('Expected to be opened before it is asked');
    const { connector } = this.#opened;
    if (message.what === 'dayMarks') return connector.dayMarks(message.window, signal);
    if (message.what === 'lastChange') return connector.lastChange(signal);
    await connector.check(signal);
    return undefined;
  }
}

/** What the plugin says of itself; nothing of it is called. @throws PluginError */
export async function describePlugin(url: string, wanted: WantedKind): Promise<PluginFacts> {
  const plugin = await loadPlugin(url, wanted);
  const { kind, name, version, description } = plugin;
  const about = { kind, name, version, description };
  if (plugin.kind === 'sink') return { ...about, contracts: [] };
  return { ...about, source: plugin.source, contracts: Object.keys(plugin.ingest ?? {}) };
}

/** Begins a run's use of this process; `send` reaches the host. */
export function createUse(send: Send): ConnectorUse {
  return new Use(send);
}
