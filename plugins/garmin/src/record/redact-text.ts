import type { KeyKind } from './key-kinds.ts';
import { isEmail, isHex, type Pseudonyms } from './pseudonyms.ts';
import { isEnumWord, isMeasurement } from './safe-text.ts';
import { shiftNumber, shiftText, type TimeShift } from './time-shift.ts';

/** What texts are redacted with. */
export interface TextRedaction {
  readonly pseudonyms: Pseudonyms;
  /** Words of the person's names, lower case; nothing that holds one is kept. */
  readonly ownWords: Set<string>;
  /** Told of each replacement, by its kind. */
  readonly count: (kind: string) => void;
}

const invented: Partial<Record<KeyKind, string>> = {
  place: 'Nowhere',
  'time-zone': 'Etc/UTC',
  birth: '1990-01-01',
  link: 'https://example.org/redacted',
  text: 'redacted',
  trait: 'redacted',
};
const namesOfKinds = /(?:type|status|category|day|exercise)Name$/;
// Shorter ones are initials and particles, and parts of many words.
const shortestOwnWord = 3;

/** Remembers the parts of a person's name, so that they are known where nothing says that they are a name. */
function learn(text: string, { ownWords }: TextRedaction): void {
  const name = isEmail(text) ? text.slice(0, text.indexOf('@')) : text;
  if (isHex(name)) return;
  for (const word of wordsIn(name)) if (word.length >= shortestOwnWord) ownWords.add(word);
}

function wordsIn(text: string): string[] {
  const parts = text.toLowerCase().split(/[^\p{L}]+/u);
  return parts.filter((word) => word !== '');
}

/** Whether a word of the person's names stands in it. */
export function holdsOwnWord(text: string, { ownWords }: TextRedaction): boolean {
  return ownWords.size > 0 && wordsIn(text).some((word) => ownWords.has(word));
}

/** What stands for a text that says nothing known; undefined where it may stay. */
function redactUnknown(
  key: string,
  text: string,
  shift: TimeShift,
  redaction: TextRedaction,
): readonly [kind: string, replacement: string] | undefined {
  const { pseudonyms } = redaction;
  const moved = shiftText(key, text, shift);
  if (moved !== undefined) return ['time', moved];
  if (isEmail(text)) return ['name', pseudonyms.name(text)];
  if (isHex(text)) return ['id', pseudonyms.id(text)];
  if (/^\d{7,}$/.test(text)) {
    const instant = text.length === 13 ? shiftNumber(key, Number(text), shift) : undefined;
    return instant === undefined ? ['id', pseudonyms.id(text)] : ['time', String(instant)];
  }
  if (isMeasurement(key, text) || (isEnumWord(key, text) && !holdsOwnWord(text, redaction))) return undefined;
  return ['text', 'redacted'];
}

function redactId(
  key: string,
  text: string,
  kind: KeyKind,
  { pseudonyms }: TextRedaction,
): readonly [string, string] | undefined {
  const isSmall = kind === 'id' && /^-?\d{1,6}$/.test(text);
  return isSmall || (kind === 'id' && isEnumWord(key, text)) ? undefined : ['id', pseudonyms.id(text)];
}

function redactName(
  key: string,
  text: string,
  shift: TimeShift,
  { pseudonyms }: TextRedaction,
): readonly [string, string] | undefined {
  if (namesOfKinds.test(key) && isEnumWord(key, text)) return undefined;
  const moved = shiftText(key, text, shift);
  return moved === undefined ? ['name', pseudonyms.name(text)] : ['time', moved];
}

/** A text as it may be shown to anybody. Empty stays empty. */
export function redactText(
  key: string,
  text: string,
  { kind, shift }: { readonly kind: KeyKind; readonly shift: TimeShift },
  redaction: TextRedaction,
): string {
  if (text === '') return text;
  const result = replacementOf(key, text, { kind, shift }, redaction);
  if (!result) return text;
  redaction.count(result[0]);
  return result[1];
}

function replacementOf(
  key: string,
  text: string,
  { kind, shift }: { readonly kind: KeyKind; readonly shift: TimeShift },
  redaction: TextRedaction,
): readonly [kind: string, replacement: string] | undefined {
  const fixed = invented[kind];
  if (fixed !== undefined) return [kind, fixed];
  const { pseudonyms } = redaction;
  if (kind === 'person') {
    learn(text, redaction);
    return ['name', pseudonyms.name(text)];
  }
  if (kind === 'name') return redactName(key, text, shift, redaction);
  if (kind !== 'id' && kind !== 'own-id') return redactUnknown(key, text, shift, redaction);
  // A person's name can stand in for their id.
  return holdsOwnWord(text, redaction)
    ? ['name', pseudonyms.name(text)]
    : redactId(key, text, kind, redaction);
}
