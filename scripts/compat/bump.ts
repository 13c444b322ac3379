/** A version's numbers; what follows them, as in `1.0.0-beta.1`, does not count. */
function numbersOf(version: string): readonly number[] {
  const [, ...numbers] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  if (numbers.length !== 3) throw new Error(`Expected a version such as 1.2.3, got ${version}`);
  return numbers.map(Number);
}

/** Whether who wrote for the one version has been warned by the other: its first number that is not 0 is higher. */
export function isWarning(before: string, now: string): boolean {
  const [was, is] = [numbersOf(before), numbersOf(now)];
  // 0.0.x promises nothing from one to the next; 0.1.0 to 0.2.0 and 1.4.0 to 2.0.0 are alike.
  const first = was.findIndex((number) => number > 0);
  const counted = (first === -1 ? was.length : first) + 1;
  for (const [index, number] of was.slice(0, counted).entries()) {
    if (is[index] !== number) return (is[index] ?? 0) > number;
  }
  return false;
}
