/** How many letters must be put in, taken out or changed to make one word the other. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let above = 0; above < one.length; above += 1) {
    const next = [above + 1];
    for (let index = 0; index < other.length; index += 1) {
      const changed = row[index]! + (one[above] === other[index] ? 0 : 1);
      next.push(Math.min(changed, row[index + 1]! + 1, next[index]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}

function isNear(key: string, candidate: string): boolean {
  const [one, other] = [key.toLowerCase(), candidate.toLowerCase()];
  // databaseUrl for database, tz for nothing.
  const begins = Math.min(one.length, other.length) >= 4 && (one.startsWith(other) || other.startsWith(one));
  return begins || distance(one, other) <= Math.floor(other.length / 3);
}

/** The known key that somebody probably meant. */
export function nearKey(key: string, known: readonly string[]): string | undefined {
  // Nobody misspells a key by whole lines.
  if (key.length > 64) return undefined;
  return known
    .filter((candidate) => isNear(key, candidate))
    .toSorted((a, b) => distance(key, a) - distance(key, b))[0];
}
