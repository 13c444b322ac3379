// Parts of older names whose spelling does not follow the rule. Intl reads them in any case, but answers
// with the newer name instead.
const upperCaseParts = /^(act|gmt([+-]?0)?|lhi|nsw|uct|us|utc)$/;
const unusualParts = ['BajaNorte', 'BajaSur', 'ComodRivadavia', 'DeNoronha', 'EasterIsland', 'Knox_IN'];

/** `us` as `US`, `knox_in` as `Knox_IN`, `buenos_aires` as `Buenos_Aires`. */
function spelled(part: string): string {
  const lower = part.toLowerCase();
  if (upperCaseParts.test(lower)) return lower.toUpperCase();
  return (
    unusualParts.find((unusual) => unusual.toLowerCase() === lower) ??
    lower.replaceAll(/(^|[_-])([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase())
  );
}

function known(name: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** What is expected where a time zone is. */
export const timeZoneExpected = 'the name of a time zone such as Asia/Shanghai or UTC';

/**
 * The name of a time zone in its usual spelling; undefined for what is none. An older name such as
 * Asia/Kolkata or US/Eastern stays what it is, since Postgres knows it as well. Abbreviations are
 * refused: CST is China's to one reader and Chicago's to another. Offsets are not names.
 */
export function timeZoneName(text: string): string | undefined {
  const upper = text.toUpperCase();
  if (upper === 'UTC' || upper === 'GMT') return upper;
  // SystemV/EST5 is known to Intl alone.
  if (!/^[a-z]+(\/[\w+-]+)+$/i.test(text) || /^systemv\//i.test(text)) return undefined;
  const resolved = known(text);
  if (resolved === undefined) return undefined;
  if (resolved.toUpperCase() === upper) return resolved;
  return text.split('/').map(spelled).join('/');
}
