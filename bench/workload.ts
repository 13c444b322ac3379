// The records that are written: the same ones at every run, by their number alone.

/** Changes what the records say; not how many bytes they have. */
export const seed = 20_260_226;

/** A line as a source would send it, read. */
export interface WireRecord {
  readonly source: string;
  /** Who says so. A record that another says under the same key is a conflict. */
  readonly by: string;
  readonly dataset: string;
  readonly day: string;
  /** Rising within a source. */
  readonly key: string;
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Bytes of a line, its end included. */
export const smallBytes = 576;
export const largeBytes = 28_672;

const sources = 20;
// A source answers with many records at a time, and a run reads one source.
const recordsAtATime = 100;
const firstMs = Date.UTC(2026, 0, 1);

/** Numbers from 0 to 1 that depend on nothing but the record's own (mulberry32). */
function randomOf(index: number): () => number {
  let state = (seed ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function recordOf(index: number, by: string, data: WireRecord['data']): WireRecord {
  const ms = firstMs + index * 50;
  const at = new Date(ms).toISOString();
  return {
    source: `source_${String(Math.floor(index / recordsAtATime) % sources).padStart(2, '0')}`,
    by,
    dataset: 'heart_rate',
    day: at.slice(0, 10),
    key: `heart_rate:${ms}:${index}`,
    at,
    data,
  };
}

/** A line of exactly so many bytes: what is missing is put into the note. */
function lineOf(record: (note: string) => WireRecord, bytes: number): string {
  const missing = bytes - 1 - Buffer.byteLength(JSON.stringify(record('')));
  return `${JSON.stringify(record('x'.repeat(Math.max(0, missing))))}\n`;
}

/** Keys in no order, a number with a fraction, an escape, and letters that are not ASCII. */
function smallData(index: number, note: string): WireRecord['data'] {
  const random = randomOf(index);
  return {
    value: Math.round(random() * 10_000) / 100,
    unit: 'bpm',
    device: { model: 'Watch "7"', id: Math.floor(random() * 1e9), firmware: '12.4.1' },
    resting: Math.round(random() * 60) + 40,
    place: 'Grünau 北京',
    average: Math.round(random() * 1_000_000) / 1_000_000,
    zones: [Math.floor(random() * 600), Math.floor(random() * 600), Math.floor(random() * 600)],
    confirmed: random() < 0.5,
    comment: null,
    note,
  };
}

const levels = ['deep', 'light', 'rem', 'awake'] as const;

/** As sources tell of a day: many small readings. */
function largeData(index: number, note: string): WireRecord['data'] {
  const random = randomOf(index);
  const readings = Array.from({ length: 330 }, (_, at) => ({
    start: new Date(firstMs + at * 60_000).toISOString(),
    level: levels[Math.floor(random() * levels.length)],
    value: Math.round(random() * 1800) / 10,
    confirmed: random() < 0.5,
  }));
  return { readings, place: 'Grünau 北京', device: { model: 'Watch "7"', id: index }, note };
}

/** The record of this number of about half a kilobyte; every `changedEvery`-th is said by another. */
export function smallLine(index: number, changedEvery = 0): string {
  const by = changedEvery > 0 && index % changedEvery === 0 ? 'other' : 'bench';
  return lineOf((note) => recordOf(index, by, smallData(index, note)), smallBytes);
}

/** The record of this number of 28 KB. */
export function largeLine(index: number): string {
  return lineOf((note) => recordOf(index, 'bench', largeData(index, note)), largeBytes);
}

/** The data of a small record again and again, for a source that must cost nothing itself. */
export function sameData(): WireRecord['data'] {
  return (JSON.parse(smallLine(0)) as WireRecord).data;
}
