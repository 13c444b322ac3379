import { commonWords, measurements, otherMembers } from './member-names.ts';

/** The words a name in camel case or with underscores is made of, lower case. */
export function wordsOf(key: string): string[] {
  return key
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== '');
}

const withoutDigits = (word: string): string => word.replace(/\d/g, '');
const vocabulary = new Set(
  [...measurements, ...otherMembers, ...commonWords].flatMap(wordsOf).map(withoutDigits),
);
const measured =
  /^(?:values?|avg|average|min|max|lowest|highest|latest|total|percent|percentage|count|score|seconds|minutes|meters|duration|distance|spo2?|rate|speed|pace|power|weight|calories|goal|altitude|elevation|cadence|stride|load|threshold|temperature|systolic|diastolic|pulse)$/;

/** True for a name that stands in public answers as it is. */
export function isPublicName(key: string): boolean {
  return measurements.has(key) || otherMembers.has(key);
}

/** Whether the name has a word that only measurements have. */
export function namesMeasurement(key: string): boolean {
  return wordsOf(key).some((word) => measured.test(word));
}

/**
 * True for the name of a member: one of public answers, or one made of the words of those alone. False for
 * a key that is data, such as the name of a place or a serial number.
 */
export function isMemberName(key: string): boolean {
  if (isPublicName(key)) return true;
  // `time10K`, `lastNight5MinHigh`: a few digits, and not scattered.
  const digits = key.match(/\d+/g) ?? [];
  const fewDigits = digits.length <= 2 && digits.every(({ length }) => length <= 2);
  if (!fewDigits || !/^[A-Za-z]\w{0,79}$/.test(key)) return false;
  return wordsOf(key).every((word) => vocabulary.has(withoutDigits(word)));
}

/** True where a number is known to be a measurement, so that it may look like a day or a coordinate. */
export function isMeasurementName(key: string): boolean {
  if (measurements.has(key)) return true;
  return !otherMembers.has(key) && isMemberName(key) && namesMeasurement(key);
}
