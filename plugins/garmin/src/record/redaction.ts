import type { JsonValue } from '@on-the-way/sdk';
import { isObject, type JsonObject } from '../json-shape.ts';
import { kindOfKey, type KeyKind } from './key-kinds.ts';
import { isMeasurementName, isMemberName } from './key-words.ts';
import { shiftDayList, shiftDayMembers, shiftDayNumber } from './number-dates.ts';
import { isHex, type Pseudonyms } from './pseudonyms.ts';
import { holdsOwnWord, redactText, type TextRedaction } from './redact-text.ts';
import { mayMoveByMinutes, shiftNumber, type TimeShift } from './time-shift.ts';

/** What one answer is redacted with. */
export interface Redaction extends TextRedaction {
  readonly pseudonyms: Pseudonyms;
  readonly shift: TimeShift;
  /** True for answers about the person themself, whose figures are no measurements. */
  readonly isProfile: boolean;
}

/** Where the walk through an answer stands. */
interface Place {
  readonly key: string;
  readonly kind: KeyKind;
  /** How times are moved here; without minutes once an object around it said so. */
  readonly shift: TimeShift;
  /** Whether an object around it had local times, and so decided for all within. */
  readonly isDecided: boolean;
}

// Stand for every place and every body alike.
const inventedHeightCm = 170;
const inventedWeightGrams = 70_000;
// Of this size and larger a whole number is no measurement.
const smallestLargeId = 1_000_000_000;
const smallestId = 1_000_000;

/** Four decimals of a degree are some meters. */
const isLikeCoordinate = (value: number): boolean => Math.abs(value) <= 180 && /\.\d{4}/.test(String(value));

function redactNumber(value: number, { key, kind, shift }: Place, redaction: Redaction): number {
  const { pseudonyms, isProfile, count } = redaction;
  const counted = (name: string, replacement: number): number => {
    count(name);
    return replacement;
  };
  if (kind === 'place' || kind === 'time-zone') return counted(kind, 0);
  if (kind === 'birth') return counted('birth', 0);
  if (kind === 'trait') return counted('trait', inventedHeightCm);
  if (isProfile && key === 'weight') return counted('trait', inventedWeightGrams);
  const isId = kind === 'own-id' || (kind === 'id' && Math.abs(value) >= smallestId);
  if (isId && value !== 0 && value !== -1) return counted('id', pseudonyms.number(value));
  const isMeasured = isMeasurementName(key);
  const shifted = shiftNumber(key, value, shift) ?? (isMeasured ? undefined : shiftDayNumber(value, shift));
  if (shifted !== undefined) return counted('time', shifted);
  if (!isMeasured && isLikeCoordinate(value)) return counted('place', 0);
  if (Number.isInteger(value) && Math.abs(value) >= smallestLargeId)
    return counted('id', pseudonyms.number(value));
  return value;
}

/** The name of a member, which in maps by device or by day is data itself. */
function redactKey(key: string, shift: TimeShift, redaction: Redaction): string {
  if (isMemberName(key) && !holdsOwnWord(key, redaction)) return key;
  return redactText('', key, { kind: isHex(key) ? 'id' : 'name', shift }, redaction);
}

// What all members are that stand within.
const inherited: ReadonlySet<KeyKind> = new Set(['place', 'time-zone', 'birth']);

function redactObject(object: JsonObject, place: Place, redaction: Redaction): JsonObject {
  const may = place.isDecided ? undefined : mayMoveByMinutes(object, place.shift.minutes);
  const isDecided = place.isDecided || may !== undefined;
  const shift = may === false ? { ...place.shift, minutes: 0 } : place.shift;
  const members = place.kind === 'birth' ? object : shiftDayMembers(object, shift);
  if (members !== object) redaction.count('time');
  const entries = Object.entries(members).map(([key, value]) => {
    // Whoever chose it may have chosen their name.
    const own = redaction.isProfile && key === 'displayName' ? 'person' : kindOfKey(key);
    const isWithin = inherited.has(place.kind);
    const kind = isWithin ? place.kind : own;
    return [
      redactKey(key, shift, redaction),
      walk(value ?? null, { key, kind, shift, isDecided }, redaction),
    ] as const;
  });
  return Object.fromEntries(entries);
}

function walk(value: JsonValue, place: Place, redaction: Redaction): JsonValue {
  const { key, kind, shift } = place;
  if (value === null || typeof value === 'boolean') return value;
  if (kind === 'line') {
    redaction.count('place');
    return null;
  }
  if (typeof value === 'number') return redactNumber(value, place, redaction);
  if (typeof value === 'string') return redactText(key, value, { kind, shift }, redaction);
  if (isObject(value)) return redactObject(value, place, redaction);
  const rows = value as readonly JsonValue[];
  if (kind === 'others') {
    if (rows.length > 0) redaction.count('others');
    return [];
  }
  const day = kind === 'other' && !isMeasurementName(key) ? shiftDayList(rows, shift) : undefined;
  if (day) redaction.count('time');
  return day ?? rows.map((row) => walk(row, place, redaction));
}

/** An answer with everything taken out that names the person, where they are, and when it was. */
export function redactBody(body: JsonValue, redaction: Redaction): JsonValue {
  return walk(body, { key: '', kind: 'other', shift: redaction.shift, isDecided: false }, redaction);
}
