import type { DatedEvent } from './ports.ts';

/** Stores events; rejects when they are not stored. */
export type Store = (events: readonly DatedEvent[]) => Promise<void>;

/** Hands what a slice brings to the sink while the slice goes on bringing. */
export interface SliceWrites {
  /** Takes events; resolves when there is room for more. Rejects when a write has failed: nothing more is taken then. */
  add(events: readonly DatedEvent[]): Promise<void>;
  /** Resolves when all that was added is stored. Rejects when a write has failed, once no write is under way any more. */
  end(): Promise<void>;
}

// One is prepared while the server works on two; more at once store no row sooner on a small machine.
const mostUnderWay = 3;
// What waits is written together. Of larger writes a row costs more: what they are made of has grown old for the
// collector by the time they are sent. The memory for four of them is held at most.
const groupEvents = 2_048;
const groupCharacters = 2 * 1024 * 1024;

class Writes implements SliceWrites {
  readonly #store: Store;
  readonly #giveUp: (events: number) => void;
  readonly #underWay = new Set<Promise<void>>();
  #waiting: DatedEvent[] = [];
  #characters = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(store: Store, giveUp: (events: number) => void, signal: AbortSignal) {
    this.#store = store;
    this.#giveUp = giveUp;
    // At once, so that a run which is told to stop has counted them before it ends.
    signal.addEventListener('abort', () => this.#fail(signal.reason), { once: true });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    const events = this.#waiting.splice(0).length;
    if (events > 0) this.#giveUp(events);
  }

  async add(events: readonly DatedEvent[]): Promise<void> {
    for (const event of events) {
      this.#waiting.push(event);
      this.#characters += event.event.payload.length;
    }
    if (this.#failure) this.#fail(this.#failure.error);
    this.#begin();
    while (this.#isFull && !this.#failure) await Promise.race(this.#underWay);
    if (this.#failure) await this.end();
  }

  async end(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.race(this.#underWay);
    if (this.#failure) throw this.#failure.error;
  }

  get #isFull(): boolean {
    return this.#waiting.length >= groupEvents || this.#characters >= groupCharacters;
  }

  /** Whether what waits is worth a write beside others; what a slow source brings is written when the last one ends. */
  get #mayBegin(): boolean {
    if (this.#failure || this.#waiting.length === 0 || this.#underWay.size === mostUnderWay) return false;
    return this.#underWay.size === 0 || this.#isFull;
  }

  #begin(): void {
    while (this.#mayBegin) {
      const write = this.#store(this.#takeGroup()).catch((error: unknown) => this.#fail(error));
      const settled = write.then(() => {
        this.#underWay.delete(settled);
        this.#begin();
      });
      this.#underWay.add(settled);
    }
  }

  #takeGroup(): readonly DatedEvent[] {
    let count = 0;
    let characters = 0;
    for (const { event } of this.#waiting) {
      if (count === groupEvents || (count > 0 && characters + event.payload.length > groupCharacters)) break;
      count += 1;
      characters += event.payload.length;
    }
    this.#characters -= characters;
    if (count < this.#waiting.length) return this.#waiting.splice(0, count);
    const group = this.#waiting;
    this.#waiting = [];
    return group;
  }
}

/**
 * Makes the writes of one try of a slice: three at most are under way, what comes meanwhile is written together with the
 * next, and so much waits at most. Nothing waits for a time. `giveUp` is told how many events were taken and never handed to `store`, as soon as that is so.
 */
export function createSliceWrites(
  store: Store,
  giveUp: (events: number) => void,
  signal: AbortSignal,
): SliceWrites {
  return new Writes(store, giveUp, signal);
}
