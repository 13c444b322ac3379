import type { Duplex } from 'node:stream';
import { failureOf, PluginBug, type DatedEvent } from '@on-the-way/core';
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
import type { ConnectorChild } from './child-process.ts';
import {
  createLineSplitter,
  encode,
  readFromChild,
  type FromChild,
  type ToChild,
  type WireError,
} from './protocol.ts';

/** What the child may ask the host for, and where its words go. */
export interface ChannelOptions {
  readonly tokens: SessionTokens;
  readonly prompt?: Prompt;
  /** Told how many requests the connector has made so far. */
  readonly onRequests?: (made: number) => void;
  /** Present when answers are recorded. */
  readonly record?: (answer: RecordedAnswer) => void;
  readonly log: HostLog;
  readonly redactor: Redactor;
}

/** The child ended before it was told to. Ends the run; the next one starts another child. */
class ProcessDied extends Error {
  override readonly name = 'ProcessDied';
  readonly code = 'process_died';
}

const closeWithinMs = 2_000;
// What a process said before it died tells why, in the ledger too; a stack is enough.
const keptLines = 8;
const keptCharacters = 600;
const longestWords = 10_000;
// A batch is about a million characters and one record; a record of this size is none any sink can hold.
const longestMessage = 256 * 1024 * 1024;
const reactWithinMs = 2_000;

/** What the child says once the connector has logged in. */
export type Opened = Extract<FromChild, { type: 'opened' }>;

interface Pending {
  batch(events: readonly DatedEvent[]): void;
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
  return code === 'plugin_bug' ? new PluginBug(message) : Object.assign(new Error(message), { code });
}

/** The host's end of the channel: routes messages to whoever waits for them. */
export class Channel {
  readonly #pending = new Map<number, Pending>();
  readonly #child: ConnectorChild;
  readonly #options: ChannelOptions;
  readonly #opened = Promise.withResolvers<Opened>();
  #nextId = 1;
  #failure: Error | undefined;
  #closing = false;
  #lastWords: string[] = [];
  #releaseTokens: (() => Promise<void>) | undefined;
  #reaction: { promise: Promise<void>; known: () => void; timer: NodeJS.Timeout } | undefined;

  constructor(child: ConnectorChild, options: ChannelOptions) {
    this.#child = child;
    this.#options = options;
    this.#opened.promise.catch(() => undefined);
    this.#listen(child.channel);
    for (const stream of ['stdout', 'stderr'] as const) {
      child.process[stream]?.setEncoding('utf8').on(
        'data',
        createLineSplitter((line) => {
          const clean = options.redactor.redact(line);
          if (stream === 'stderr') this.#lastWords = [...this.#lastWords.slice(1 - keptLines), clean.trim()];
          options.log.debug({ stream }, clean);
        }, longestWords),
      );
    }
    // close, not exit: by then its last words have arrived.
    child.process.on('close', (code, signal) => this.#ended(signal ?? `exit code ${code}`));
    child.process.on('error', (error) => this.#ended(error.message));
  }

  get opened(): Promise<Opened> {
    return this.#opened.promise;
  }

  send(message: ToChild): void {
    if (this.#child.channel.writable) this.#child.channel.write(encode(message));
  }

  /** Registers for the answers to a new id; throws when the child has ended. */
  expect(pending: Pending): number {
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    this.#pending.set(id, pending);
    return id;
  }

  /** Nobody waits for this any more. A child that does not even react to that is stuck, and ended. */
  forget(id: number): void {
    if (!this.#pending.delete(id)) return;
    this.send({ type: 'abort', id });
    this.send({ type: 'ping' });
    if (this.#reaction || this.#failure) return;
    const reaction = Promise.withResolvers<void>();
    const stuck = `Expected the connector's process to react within ${reactWithinMs / 1000} s; it is stuck and was ended`;
    const timer = setTimeout(() => this.giveUp(new ProcessDied(stuck)), reactWithinMs);
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

  /** Asks the child to end and makes sure of it. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#reacted();
    const { process: child } = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.send({ type: 'close' });
    const timer = setTimeout(() => child.kill('SIGKILL'), closeWithinMs);
    await exited;
    clearTimeout(timer);
  }

  /** Ends the child at once; whoever waits is told why. */
  giveUp(error: Error): void {
    this.#fail(error);
    this.kill();
  }

  kill(): void {
    this.#closing = true;
    this.#child.process.kill('SIGKILL');
  }

  #listen(channel: Duplex): void {
    channel.setEncoding('utf8');
    channel.on(
      'data',
      createLineSplitter((line) => {
        const message = readFromChild(line);
        if (message) this.#receive(message);
        else
          this.giveUp(
            new PluginBug('Expected only the connector on file descriptor 3, found a plugin writing to it'),
          );
      }, longestMessage),
    );
    // The exit event tells how it ended; a broken pipe only that it did.
    channel.on('error', () => undefined);
  }

  #receive(message: FromChild): void {
    const { log, redactor } = this.#options;
    switch (message.type) {
      case 'secrets':
        return redactor.add(message.values);
      case 'opened':
        return this.#opened.resolve(message);
      case 'batch':
        return this.#pending.get(message.id)?.batch(message.events);
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
        this.#reacted();
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

  #ended(how: string): void {
    this.#options.log[this.#closing ? 'debug' : 'warn']({ how }, 'connector process ended');
    const words = this.#lastWords.join(' | ').slice(0, keptCharacters);
    const said = words === '' ? '' : `; it said: ${words}`;
    this.#fail(new ProcessDied(`Expected the connector's process to stay up, but it ended: ${how}${said}`));
  }

  /** Tells whoever waits why; whoever asks later, that nobody is there any more. */
  #fail(error: Error): void {
    this.#failure ??=
      error instanceof ProcessDied
        ? error
        : new ProcessDied(`The connector's process ended after: ${error.message}`);
    this.#reacted();
    void this.#unlockTokens();
    this.#opened.reject(error);
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) pending.failed(error);
  }

  async #answer({ id, method, args }: Extract<FromChild, { type: 'call' }>): Promise<void> {
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
        if (this.#failure) return await release();
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
