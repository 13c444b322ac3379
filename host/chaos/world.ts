import { hash } from 'node:crypto';
import { canonicalJson } from '@on-the-way/core';
import type { Day } from '@on-the-way/sdk';

/** What the verifiable source has of one thing: a function of seed, place and version, so that anybody can work it out. */
export interface SourceRecord {
  /** Names it all over the suite: `account/dataset/day/number`, or `account/moments/number`. */
  readonly id: string;
  /** Goes up when the source changes its answer. */
  readonly version: number;
  readonly value: number;
  readonly text: string;
}

/** Datasets that are asked for by day. */
export const dayDatasets = ['steps', 'weights'] as const;

/** The dataset that is asked for from a cursor on. */
export const cursorDataset = 'moments';

/** Numbers from 0 up to, not including, 1; the same for the same seed. */
export type Random = () => number;

/** A generator of its own for each seed (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 up to, not including, `limit`, told from the words alone. */
export function pick(limit: number, ...words: readonly (string | number)[]): number {
  return Number.parseInt(hash('sha256', words.join('\n'), 'hex').slice(0, 12), 16) % limit;
}

// What JSON, text columns and digests are easily wrong about.
const texts = ['plain', 'Zoë 走路', '"quoted" \\ and / slash', 'e\u0301 is not é', '😀', 'a\tb\nc', ''];

/** The record with that name in that version. */
export function recordNamed(seed: number, id: string, version: number): SourceRecord {
  const number = pick(2 ** 40, seed, id, version);
  return { id, version, value: number / 1024, text: texts[number % texts.length] ?? '' };
}

/** Names of what the source has on a day; nothing on some days. */
export function idsOf(seed: number, place: { account: string; dataset: string; day: Day }): string[] {
  const { account, dataset, day } = place;
  const count = pick(6, seed, account, dataset, day);
  return Array.from({ length: count }, (_, number) => `${account}/${dataset}/${day}/${number}`);
}

/** Name of the n-th moment, from 1 on. */
export function momentId(account: string, number: number): string {
  return `${account}/${cursorDataset}/${number}`;
}

/** SHA-256 of the value in RFC 8785 form: equal for equal data, wherever it was. */
export function fingerprint(data: unknown): string {
  return hash('sha256', canonicalJson(data as never), 'hex');
}
