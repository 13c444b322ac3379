import { failureOf, PluginBug, type FetchedBatch } from '@on-the-way/core';
import {
  ConnectorError,
  connectorErrorCodes,
  type JsonValue,
  type Prompt,
  type RecordedAnswer,
} from '@on-the-way/sdk';
import type { HostLog } from '../log.ts';
import type { Redactor } from '../redact.ts';
import type { SessionTokens } from '../storage/session-tokens.ts';
import type { ConnectorProcess, ProcessUser } from './connector-process.ts';
import { ProcessEnded, watchLimits, type RunLimits } from './limits.ts';
import { PluginError } from './plugin-error.ts';
import type { FromChild, ToChild, WireError } from './protocol.ts';

/** What the child may ask the host for, and where its words go. */
export interface ChannelOptions {
  readonly tokens: SessionTokens;
  readonly prompt?: Prompt;
  /** Told how many requests the connector has made so far. */
  readonly onRequests?: (made: number) => void;
  /** Present when answers are recorded. */
  readonly record?: (answer: RecordedAnswer) => void;
  readonly limits: Omit<RunLimits, 'wallSeconds'>;
  readonly log: HostLog;
  readonly redactor: Redactor;
}

// A plugin that takes longer to say goodbye is not waited for.
const releaseWithinMs = 2_000;
// What a process said before it died tells why, in the ledger too; a stack is enough.
const keptLines = 8;
const keptCharacters = 600;
const reactWithinMs = 2_000;

/** What the child says once the connector has logged in. */
export type Opened = Extract<FromChild, { type: 'opened' }>;

interface Pending {
  /** Whether it is the host's turn, e.g. to store what was sent. */
  readonly isOurTurn?: () => boolean;
  batch(batch: FetchedBatch): void;
  done(value: JsonValue | undefined): void;
  failed(error: Error): void;
}

function errorOf({ code, message, status, retryAfterMs, refusedSignIn }: WireError): Error {
  const known = connectorErrorCodes.find((candidate) => candidate === code);
  if (known) {
    return new ConnectorError(known, message, {
      ...(status !== undefined && { status }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(refusedSignIn && { refusedSignIn }),
    });
  }
  if (code === 'plugin_bug') return new PluginBug(message);
  return PluginError.of(code, message) ?? Object.assign(new Error(message), { code });
}

function batchOf({ events, checkpoint }: Extract<FromChild, { type: 'batch' }>): FetchedBatch {
  return { events, ...(checkpoint !== undefined && { checkpoint }) };
}

// What the process says of it itself are addresses in its code.
function outOfHeap({ memoryMb }: Pick<RunLimits, 'memoryMb'>): ProcessEnded {
  const message = `Expected the connector's process to stay within its JavaScript heap, half of ${memoryMb} MB, but it ran out of it and ended. Raise limits.memoryMb if the plugin needs more`;
  return new ProcessEnded('memory_limit', message);
}

/** The host's end of the channel to a process, for one run: routes messages to whoever waits for them. */
export class Channel implements ProcessUser {
  readonly #pending = new Map<number, Pending>();
  readonly #process: ConnectorProcess;
  readonly #options: ChannelOptions;
  readonly #opened = Promise.withResolvers<Opened>();
  readonly #unwatch: () => void;
  #nextId = 1;
  #failure: Error | undefined;
  #closing = false;
  #isOver = false;
  #isUp = false;
  #isOpen = false;
  #heardAt = performance.now();
  #answering = 0;
  #lastWords: string[] = [];
  #isOutOfHeap = false;
  #releaseTokens: (() => Promise<void>) | undefined;
  #released: PromiseWithResolvers<boolean> | undefined;
  #reaction: { promise: Promise<void>; known: () => void; timer: NodeJS.Timeout } | undefined;

  constructor(process: ConnectorProcess, options: ChannelOptions) {
    this.#process = process;
    this.#options = options;
    this.#opened.promise.catch(() => undefined);
    this.#unwatch = watchLimits(
      options.limits,
      { residentMb: () => process.residentMb(), silentSince: () => this.#silentSince() },
      (why) => this.giveUp(why),
    );
    process.attach(this);
    // The time a process takes to begin is the machine's, not the connector's.
    process.send({ type: 'ping' });
  }

  get opened(): Promise<Opened> {
    return this.#opened.promise;
  }

  send(message: ToChild): void {
    // The process may be another run's by now, and what was asked for here is not for that one to hear.
    if (!this.#isOver) this.#process.send(message);
  }

  /** Registers for the answers to a new id; throws when the child has ended. */
  expect(pending: Pending): number {
    if (this.#failure) throw this.#failure;
    this.progressed();
    const id = this.#nextId++;
    this.#pending.set(id, pending);
    return id;
  }

  /** Nobody waits for this any more. A child that does not even react to that is stuck, and ended. */
  forget(id: number): void {
    if (!this.#pending.delete(id) || this.#isOver) return;
    this.send({ type: 'abort', id });
    this.send({ type: 'ping' });
    if (this.#reaction || this.#failure) return;
    const reaction = Promise.withResolvers<void>();
    const stuck = `Expected the connector's process to react within ${reactWithinMs / 1000} s; it is stuck and was ended`;
    const timer = setTimeout(() => this.giveUp(new ProcessEnded('stalled', stuck)), reactWithinMs);
    this.#reaction = { promise: reaction.promise, known: reaction.resolve, timer };
  }

  /** Resolves when it is known whether the child reacts to what was given up. */
  get settled(): Promise<void> {
    return this.#reaction?.promise ?? Promise.resolve();
  }

  #reacted(): void {
    clearTimeout(this.#reaction?.timer);
    this.#reaction?.known();
    this.#reaction = undefined;
  }

  /** False once the child has died or was given up. */
  get isAlive(): boolean {
    return this.#failure === undefined;
  }

  /** It goes on: what is asked of the connector has only just begun to take time. */
  progressed(): void {
    this.#heardAt = performance.now();
  }

  /** Ends the run's use of the process. Resolves with whether another run may use it. Never rejects. */
  async close(): Promise<boolean> {
    this.#closing = true;
    this.#reacted();
    if (!this.isAlive || !this.#isOpen) return this.#end(false);
    this.#released = Promise.withResolvers();
    const timer = setTimeout(() => this.kill(), releaseWithinMs);
    this.send({ type: 'release' });
    const isReusable = await this.#released.promise;
    clearTimeout(timer);
    // What it printed until then is on its way, and belongs to this run.
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    return this.#end(isReusable && this.isAlive);
  }

  /** Ends the child at once; whoever waits is told why. */
  giveUp(error: Error): void {
    this.#fail(error);
    this.kill();
  }

  kill(): void {
    this.#closing = true;
    this.#process.kill();
  }

  said(stream: 'stdout' | 'stderr', line: string): void {
    const { log, redactor } = this.#options;
    const clean = redactor.redact(line);
    // Said before a long stack, of which only the end is kept.
    if (line.includes('heap out of memory')) this.#isOutOfHeap = true;
    if (stream === 'stderr') this.#lastWords = [...this.#lastWords.slice(1 - keptLines), clean.trim()];
    log.debug({ stream }, clean);
  }

  broke(error: Error): void {
    this.#closing = true;
    this.#fail(error);
  }

  ended(how: string): void {
    this.#options.log[this.#closing ? 'debug' : 'warn']({ how }, 'connector process ended');
    if (this.#isOutOfHeap) return this.#fail(outOfHeap(this.#options.limits));
    const words = this.#lastWords.join(' | ').slice(0, keptCharacters);
    const said = words === '' ? '' : `; it said: ${words}`;
    const message = `Expected the connector's process to stay up, but it ended: ${how}${said}`;
    this.#fail(new ProcessEnded('process_died', message));
  }

  #end(isReusable: boolean): boolean {
    this.#isOver = true;
    this.#unwatch();
    void this.#unlockTokens();
    return isReusable;
  }

  /** While the host answers a question of the child, or stores what it sent, it is not the child that is slow. */
  #silentSince(): number | undefined {
    if (!this.#isUp || this.#answering > 0) return undefined;
    const owes = !this.#isOpen || [...this.#pending.values()].some(({ isOurTurn }) => isOurTurn?.() !== true);
    return owes ? this.#heardAt : undefined;
  }

  receive(message: FromChild): void {
    const { log, redactor } = this.#options;
    // Words are no progress: a plugin that only talks is stuck too.
    if ((message.type !== 'log' && message.type !== 'pong') || !this.#isUp) this.progressed();
    this.#isUp = true;
    switch (message.type) {
      case 'secrets':
        return redactor.add(message.values);
      case 'opened':
        this.#isOpen = true;
        return this.#opened.resolve(message);
      case 'batch':
        return this.#pending.get(message.id)?.batch(batchOf(message));
      case 'done':
        return this.#settle(message.id, (pending) => pending.done(message.value));
      case 'failed':
        return this.#failed(message);
      case 'requests':
        return this.#options.onRequests?.(message.made);
      case 'recorded':
        return this.#options.record?.(message.answer);
      case 'log':
        return log[message.level]({ ...message.fields }, redactor.redact(message.message));
      case 'call':
        void this.#answer(message);
        return;
      case 'pong':
        return this.#reacted();
      case 'released':
        return this.#released?.resolve(message.reusable);
      case 'described':
        // Nobody asks for it within a run.
        return;
      case 'left_behind':
        log.warn(redactor.redact(`An earlier run of the plugin left something behind: ${message.message}`));
    }
  }

  /** Lets others at the tokens; also when the child died while it held them. */
  async #unlockTokens(): Promise<void> {
    const release = this.#releaseTokens;
    this.#releaseTokens = undefined;
    await release?.();
  }

  #settle(id: number, act: (pending: Pending) => void): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (pending) act(pending);
  }

  #failed({ id, error: { message, ...rest } }: Extract<FromChild, { type: 'failed' }>): void {
    const error = errorOf({ ...rest, message: this.#options.redactor.redact(message) });
    if (id === undefined) this.#fail(error);
    else this.#settle(id, (pending) => pending.failed(error));
  }

  /** Tells whoever waits why; whoever asks later, that nobody is there any more. */
  #fail(error: Error): void {
    this.#failure ??=
      error instanceof ProcessEnded
        ? error
        : new ProcessEnded('process_died', `The connector's process ended after: ${error.message}`);
    this.#reacted();
    this.#unwatch();
    this.#released?.resolve(false);
    void this.#unlockTokens();
    this.#opened.reject(error);
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) pending.failed(error);
  }

  async #answer(call: Extract<FromChild, { type: 'call' }>): Promise<void> {
    this.#answering += 1;
    await this.#reply(call);
    this.#answering -= 1;
    this.progressed();
  }

  async #reply({ id, method, args }: Extract<FromChild, { type: 'call' }>): Promise<void> {
    const { tokens, prompt, redactor } = this.#options;
    const [first, second] = args;
    const text = typeof first === 'string' ? first : '';
    try {
      if (method === 'tokens.load') {
        const value = await tokens.load(text);
        this.send({ type: 'reply', id, ...(value !== undefined && { value }) });
      } else if (method === 'tokens.save') {
        await tokens.save(text, second ?? null);
        this.send({ type: 'reply', id });
      } else if (method === 'tokens.lock') {
        const release = await tokens.lock();
        if (this.#failure || this.#isOver) return await release();
        this.#releaseTokens = release;
        this.send({ type: 'reply', id });
      } else if (method === 'tokens.unlock') {
        await this.#unlockTokens();
        this.send({ type: 'reply', id });
      } else {
        if (!prompt) throw new ConnectorError('needs_user', 'Expected a person at the terminal, found none');
        const value = await prompt({ message: text, hidden: second === true });
        if (second === true) redactor.add([value]);
        this.send({ type: 'reply', id, value });
      }
    } catch (error) {
      const { code, message } = failureOf(error);
      const known = connectorErrorCodes.find((candidate) => candidate === code) ?? 'config';
      this.send({ type: 'reply', id, error: { code: known, message: redactor.redact(message) } });
    }
  }
}
