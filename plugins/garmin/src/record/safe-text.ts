/** Words of enumerations that are written like names. */
const words = new Set(['Shoes', 'Bike', 'Other', 'ExecutableStepDTO', 'RepeatGroupDTO', 'NotFoundException']);

// Letters with at most a few digits at an end (`V2`, `10K`, `VO2MAX`), so that no serial number passes.
const upper =
  /^(?:[A-Z]+\d?|\d{1,3}[A-Z]{0,2}|S?[PV]O2(?:MAX)?)(?:_(?:[A-Z]+\d?|\d{1,3}[A-Z]{0,2}|S?[PV]O2(?:MAX)?))*$/;
const lower = /^(?:[a-z]+\d?|vo2max)(?:[_-](?:[a-z]+\d?|\d{1,3}[a-z]{0,2}|vo2max))*$/;
const camel = /^[a-z]+(?:[A-Z][a-z]*\d?)*$/;
const measureWords =
  /value|avg|average|min|max|lowest|highest|latest|total|percent|count|score|seconds|minutes|meters|duration|distance|spo2|rate|speed|pace|power|weight|calories|goal/i;

/** True for a word of an enumeration: nothing a person wrote or is called. */
export function isEnumWord(key: string, text: string): boolean {
  if (words.has(text)) return true;
  if (upper.test(text)) return text.length <= 80 && /[A-Z]/.test(text);
  if (lower.test(text)) return text.length <= 40;
  // `bodyBatteryLevel`: descriptors of value arrays name the columns.
  return /key$/i.test(key) && text.length <= 40 && camel.test(text);
}

/** True for a measurement that Garmin writes as text. */
export function isMeasurement(key: string, text: string): boolean {
  if (/version/i.test(key)) return /^\d{1,3}(?:\.\d{1,4}){0,3}$/.test(text);
  return measureWords.test(key) && /^-?\d{1,6}(?:\.\d+)?$/.test(text);
}

/** True for the name of a member as programs are written, false for a key that is data, such as a serial number. */
export function isMemberName(key: string): boolean {
  if (upper.test(key)) return true;
  // `time10K`, `lastNight5MinHigh`, `vO2MaxValue`: a few digits, and not scattered.
  const digits = key.match(/\d+/g) ?? [];
  return (
    /^[A-Za-z]\w{0,79}$/.test(key) &&
    /[a-z]/.test(key) &&
    digits.length <= 2 &&
    digits.every(({ length }) => length <= 2)
  );
}
