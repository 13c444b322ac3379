import { enumWords } from './enum-words.ts';
import { isPublicName, namesMeasurement } from './key-words.ts';

// Letters with at most a few digits at an end (`V2`, `10K`, `VO2MAX`), so that no serial number passes.
const upper =
  /^(?:[A-Z]+\d?|\d{1,3}[A-Z]{0,2}|S?[PV]O2(?:MAX)?)(?:_(?:[A-Z]+\d?|\d{1,3}[A-Z]{0,2}|S?[PV]O2(?:MAX)?))*$/;
const lower = /^(?:[a-z]+\d?|vo2max)(?:_(?:[a-z]+\d?|\d{1,3}[a-z]{0,2}|vo2max))*$/;
const camel = /^[a-z]+(?:[A-Z][a-z]*\d?)+$/;
const enumKeys =
  /[a-z\d](?:Type|Key|Status|Phrase|Level|Qualifier|Feedback|Category|Unit|Source|Sport)$|^(?:type|status|level|qualifier|feedback|category|unit|sport)$/;
const longestWord = 60;

/** True for a word of an enumeration: one that is public, or any under a name that only enumerations have. */
export function isEnumWord(key: string, text: string): boolean {
  if (enumWords.has(text) || enumWords.has(text.replace(/_\d{1,2}$/, ''))) return true;
  // `bodyBatteryLevel`: descriptors of value arrays name the columns.
  if (/key$/i.test(key) && camel.test(text)) return isPublicName(text);
  if (!enumKeys.test(key) || text.length > longestWord) return false;
  return lower.test(text) || (upper.test(text) && /[A-Z]/.test(text));
}

/** True for a measurement that Garmin writes as text. */
export function isMeasurement(key: string, text: string): boolean {
  if (/version/i.test(key)) return /^\d{1,3}(?:\.\d{1,4}){0,3}$/.test(text);
  return namesMeasurement(key) && /^-?\d{1,6}(?:\.\d{1,3})?$/.test(text);
}
