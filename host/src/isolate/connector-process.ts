import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { PluginBug } from '@on-the-way/core';
import { spawnChild, type ConnectorChild, type ProcessKind } from './child-process.ts';
import { createLineSplitter, encodeLine } from './lines.ts';
import { createMessageReader, type FromChild, type ToChild } from './protocol.ts';

/** Who uses a process: a run, for as long as it lasts. */
export interface ProcessUser {
  receive(message: FromChild): void;
  /** A line the plugin printed. */
  said(stream: 'stdout' | 'stderr', line: string): void;
  /** The process wrote something that is no message; it is being ended. */
  broke(error: Error): void;
  /** The process has ended: by itself, or since it was told to. */
  ended(how: string): void;
}

const closeWithinMs = 2_000;
const longestWords = 10_000;
// A batch is about a million characters and one record; a record of this size is none any sink can hold.
const longestMessage = 256 * 1024 * 1024;
// More than anybody reads. The pipe fills up then, and who prints waits.
const printedPerSecond = 1_000_000;

function isSocket(stream: unknown): stream is Socket {
  return stream instanceof Socket;
}

/** A child process over its whole life, used by one run after the other. */
export class ConnectorProcess {
  readonly kind: ProcessKind;
  /** Resolves once it has ended and its last words have arrived. */
  readonly exited: Promise<void>;
  /** Of the plugin's files as they were when it began. */
  readonly stamp: string;
  readonly #child: ConnectorChild;
  #user: ProcessUser | undefined;
  #uses = 0;
  #isTainted = false;
  #toldMb = 0;
  #how: string | undefined;

  constructor(kind: ProcessKind, stamp: string) {
    this.kind = kind;
    this.stamp = stamp;
    this.#child = spawnChild(kind);
    const { process: child, channel } = this.#child;
    this.#listen();
    for (const name of ['stdout', 'stderr'] as const) this.#listenTo(name);
    this.exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#how ??= how;
        this.#user?.ended(how);
        resolve();
      };
      // close, not exit: by then its last words have arrived.
      child.once('close', (code, signal) => ended(signal ?? `exit code ${code}`));
      child.once('error', (error) => ended(error.message));
    });
    // The exit event tells how it ended; a broken pipe only that it did.
    channel.on('error', () => undefined);
  }

  /** How many runs it has served. */
  get uses(): number {
    return this.#uses;
  }

  /** Whether a run has left something behind that threw: no other run may meet what is left. */
  get isTainted(): boolean {
    return this.#isTainted;
  }

  get hasEnded(): boolean {
    const { exitCode, signalCode } = this.#child.process;
    return this.#how !== undefined || exitCode !== null || signalCode !== null;
  }

  /** Hands the process to a run: from now on it is told what the process says. */
  attach(user: ProcessUser): void {
    this.#uses += 1;
    this.#user = user;
    this.#hold('ref');
    if (this.#how !== undefined) user.ended(this.#how);
  }

  /** Lets go of the run. The process alone does not keep the host from ending. */
  detach(): void {
    this.#user = undefined;
    this.#hold('unref');
  }

  send(message: ToChild): void {
    if (this.#child.channel.writable) this.#child.channel.write(encodeLine(message));
  }

  /** Memory it holds now, in MB: buffers and native code too. Where the system does not tell, as it said last. */
  residentMb(): number {
    try {
      const status = readFileSync(`/proc/${this.#child.process.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    } catch {
      // No such file system, or no such process any more. It is asked in vain then.
      this.send({ type: 'ping' });
      return this.#toldMb;
    }
  }

  /** Asks it to end and makes sure of it. */
  async stop(): Promise<void> {
    if (this.hasEnded) return;
    this.#hold('ref');
    this.send({ type: 'close' });
    const timer = setTimeout(() => this.kill(), closeWithinMs);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    // Whoever waits for its end must see it.
    this.#hold('ref');
    this.#child.process.kill('SIGKILL');
  }

  #listen(): void {
    const read = createMessageReader((message) => {
      if (message?.type === 'pong') this.#toldMb = message.residentMb;
      if (message?.type === 'left_behind') this.#isTainted = true;
      if (message) return this.#user?.receive(message);
      this.kill();
      const found = 'Expected only the connector on file descriptor 3, found a plugin writing to it';
      this.#user?.broke(new PluginBug(found));
    }, longestMessage);
    this.#child.channel.on('data', read);
  }

  #listenTo(name: 'stdout' | 'stderr'): void {
    const stream = this.#child.process[name];
    if (!stream) return;
    const split = createLineSplitter((line) => this.#user?.said(name, line), longestWords);
    let printed = 0;
    stream.setEncoding('utf8').on('data', (text: string) => {
      split(text);
      if (printed === 0) {
        setTimeout(() => {
          printed = 0;
          stream.resume();
        }, 1000).unref();
      }
      printed += text.length;
      if (printed > printedPerSecond) stream.pause();
    });
  }

  #hold(how: 'ref' | 'unref'): void {
    const { process: child, channel } = this.#child;
    child[how]();
    for (const stream of [channel, ...child.stdio.slice(1)]) if (isSocket(stream)) stream[how]();
  }
}
