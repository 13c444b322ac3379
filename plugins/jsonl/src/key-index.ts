import { hash } from 'node:crypto';
import type { RawEvent } from '@on-the-way/sdk';

/** Where a line begins: the number of its file, and the bytes before it. */
export interface Place {
  readonly file: number;
  readonly offset: number;
}

/** The parts of an event by which it is stored once. */
export type Key = Pick<RawEvent, 'sourceId' | 'externalId'>;

/** The key as one text. */
export function keyText({ sourceId, externalId }: Key): string {
  return `${sourceId.length} ${sourceId}${externalId}`;
}

interface Slots {
  readonly mask: number;
  /** Two halves of the key's hash. */
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  /** Number of the file and one; 0 where a slot is free. */
  readonly files: Uint32Array;
  readonly offsets: Float64Array;
}

function createSlots(count: number): Slots {
  return {
    mask: count - 1,
    high: new Uint32Array(count),
    low: new Uint32Array(count),
    files: new Uint32Array(count),
    offsets: new Float64Array(count),
  };
}

const firstSlots = 1024;
// Fuller, and looking for what is not there takes long.
const mostFull = 0.8;

interface Mark {
  readonly high: number;
  readonly low: number;
}

function markOf(key: Key): Mark {
  const digest = hash('sha256', keyText(key), 'buffer');
  return { high: digest.readUInt32LE(0), low: digest.readUInt32LE(4) };
}

/**
 * Where the line of each key is. The keys themselves are not kept: of each there are 64 bits of its hash, so what is
 * found may be another key's line and has to be looked at. 20 bytes a slot, of which 40 to 80 % are taken.
 */
export class KeyIndex {
  #slots = createSlots(firstSlots);
  #taken = 0;

  /** Adds a key, also where it is there. */
  add(key: Key, place: Place): void {
    if (this.#taken >= (this.#slots.mask + 1) * mostFull) this.#grow();
    this.#put(markOf(key), place);
    this.#taken += 1;
  }

  /** Where the line of this key may be; nowhere else. */
  find(key: Key): readonly Place[] {
    const mark = markOf(key);
    const { mask, high, low, files, offsets } = this.#slots;
    const places: Place[] = [];
    for (let slot = mark.low & mask; files[slot] !== 0; slot = (slot + 1) & mask) {
      if (high[slot] === mark.high && low[slot] === mark.low)
        places.push({ file: files[slot]! - 1, offset: offsets[slot]! });
    }
    return places;
  }

  #put(mark: Mark, { file, offset }: Place): void {
    const slots = this.#slots;
    let free = mark.low & slots.mask;
    while (slots.files[free] !== 0) free = (free + 1) & slots.mask;
    slots.high[free] = mark.high;
    slots.low[free] = mark.low;
    slots.files[free] = file + 1;
    slots.offsets[free] = offset;
  }

  #grow(): void {
    const { mask, high, low, files, offsets } = this.#slots;
    this.#slots = createSlots((mask + 1) * 2);
    for (let slot = 0; slot <= mask; slot += 1) {
      if (files[slot] === 0) continue;
      this.#put({ high: high[slot]!, low: low[slot]! }, { file: files[slot]! - 1, offset: offsets[slot]! });
    }
  }
}
