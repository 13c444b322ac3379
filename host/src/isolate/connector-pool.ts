import type { ProcessKind } from './child-process.ts';
import { ConnectorProcess } from './connector-process.ts';
import { createStampReader } from './plugin-stamp.ts';

/** What is wanted of the pool. */
interface ProcessWish extends ProcessKind {
  /** One that no other run has used before. */
  readonly fresh?: boolean;
}

/** Child processes that serve one run after the other, each one run at a time. */
export interface ConnectorPool {
  /**
   * Resolves with an idle process of the kind, or a new one; waits while as many as may be are at work. Rejects when
   * the signal is aborted.
   */
  take(wish: ProcessWish, signal: AbortSignal): Promise<ConnectorProcess>;
  /** Gives it back after a run. Kept for the next one when it is as good as new, else it is told to end. */
  giveBack(process: ConnectorProcess, isClean: boolean): Promise<void>;
  /** How many processes there are, and how many runs wait for one. */
  counts(): Readonly<Record<'busy' | 'idle' | 'waiting', number>>;
  /** Ends all that are idle. What is given back later is ended too. */
  close(): Promise<void>;
}

/** How a pool is made. */
export interface PoolSettings {
  /** Most processes at once, those that are idle included. */
  readonly most: number;
  /** How long one waits for the next run before it ends. Default 60_000. */
  readonly idleMs?: number;
}

// What a plugin loses a little of with each run stays small.
const mostUses = 50;

interface Waiting {
  readonly wish: ProcessWish;
  ready(process: ConnectorProcess): void;
  failed(error: unknown): void;
}

function isSameKind(one: ProcessKind, other: ProcessKind): boolean {
  return (
    one.plugin.path === other.plugin.path &&
    one.privateFolder === other.privateFolder &&
    one.memoryMb === other.memoryMb
  );
}

function isAsGoodAsNew(process: ConnectorProcess): boolean {
  const { uses, kind, hasEnded, isTainted } = process;
  return !hasEnded && !isTainted && uses < mostUses && process.residentMb() < kind.memoryMb / 2;
}

class Pool implements ConnectorPool {
  readonly #most: number;
  readonly #idleMs: number;
  readonly #all = new Set<ConnectorProcess>();
  // The one that was used last is at the end; it is taken first, so that the others end.
  readonly #idle = new Map<ConnectorProcess, NodeJS.Timeout>();
  readonly #waiting = new Set<Waiting>();
  readonly #stampOf = createStampReader();
  #isClosed = false;

  constructor({ most, idleMs = 60_000 }: PoolSettings) {
    this.#most = most;
    this.#idleMs = idleMs;
  }

  async take(wish: ProcessWish, signal: AbortSignal): Promise<ConnectorProcess> {
    signal.throwIfAborted();
    const process = this.#waiting.size === 0 ? this.#tryTake(wish) : undefined;
    if (process) return process;
    const { promise, resolve, reject } = Promise.withResolvers<ConnectorProcess>();
    const waiting: Waiting = { wish, ready: resolve, failed: reject };
    const onAbort = (): void => {
      this.#waiting.delete(waiting);
      reject(signal.reason);
    };
    this.#waiting.add(waiting);
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  async giveBack(process: ConnectorProcess, isClean: boolean): Promise<void> {
    if (!isClean || this.#isClosed || !isAsGoodAsNew(process)) {
      // It counts until it has ended: a machine has no more memory because a process is told to go.
      await process.stop();
      return;
    }
    process.detach();
    this.#idle.set(process, setTimeout(() => this.#drop(process), this.#idleMs).unref());
    this.#serve();
  }

  counts(): Readonly<Record<'busy' | 'idle' | 'waiting', number>> {
    const idle = this.#idle.size;
    return { busy: this.#all.size - idle, idle, waiting: this.#waiting.size };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const idle = [...this.#idle.keys()];
    for (const process of idle) this.#drop(process);
    await Promise.all(idle.map(({ exited }) => exited));
  }

  #tryTake(wish: ProcessWish): ConnectorProcess | undefined {
    const stamp = this.#stampOf(wish.plugin);
    const fit = [...this.#idle.keys()].findLast((process) => isSameKind(process.kind, wish));
    if (fit && (fit.stamp !== stamp || fit.isTainted)) this.#drop(fit);
    else if (fit && wish.fresh !== true && !fit.hasEnded) {
      this.#wake(fit);
      return fit;
    }
    if (this.#all.size >= this.#most) {
      // Room is made by one that nobody wants; it is free once that has ended.
      const [idlest] = this.#idle.keys();
      if (idlest) this.#drop(idlest);
      return undefined;
    }
    return this.#spawn(wish, stamp);
  }

  #spawn({ plugin, privateFolder, memoryMb }: ProcessWish, stamp: string): ConnectorProcess {
    const process = new ConnectorProcess({ plugin, privateFolder, memoryMb }, stamp);
    this.#all.add(process);
    void process.exited.then(() => {
      this.#wake(process);
      this.#all.delete(process);
      this.#serve();
    });
    return process;
  }

  /** It is idle no more. */
  #wake(process: ConnectorProcess): void {
    clearTimeout(this.#idle.get(process));
    this.#idle.delete(process);
  }

  /** Nothing is lost with an idle one: it has said goodbye to its source. */
  #drop(process: ConnectorProcess): void {
    this.#wake(process);
    process.kill();
  }

  #serve(): void {
    for (const waiting of this.#waiting) {
      try {
        const process = this.#tryTake(waiting.wish);
        if (!process) return;
        waiting.ready(process);
      } catch (error) {
        waiting.failed(error);
      }
      this.#waiting.delete(waiting);
    }
  }
}

/** Makes a pool; nothing is started before the first run wants a process. */
export function createConnectorPool(settings: PoolSettings): ConnectorPool {
  return new Pool(settings);
}
