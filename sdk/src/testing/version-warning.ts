/** A version's numbers; what follows them, as in `1.0.0-beta.1`, does not count. */
function numbersOf(version: string): readonly number[] {
  const [, ...numbers] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  if (numbers.length !== 3) throw new Error(`Expected a version such as 1.2.3, got ${version}`);
  return numbers.map(Number);
}

/** Which number warns: the first that is not 0. 0.1.0 to 0.2.0 and 1.4.0 to 2.0.0 are alike; of 0.0.x it is the last. */
function warningPlace(numbers: readonly number[]): number {
  const first = numbers.findIndex((number) => number > 0);
  return first === -1 ? numbers.length - 1 : first;
}

/** Whether who wrote for the one version has been warned by the other: its first number that is not 0 is higher. */
export function isWarning(before: string, now: string): boolean {
  const [was, is] = [numbersOf(before), numbersOf(now)];
  for (const [index, number] of was.slice(0, warningPlace(was) + 1).entries()) {
    if (is[index] !== number) return (is[index] ?? 0) > number;
  }
  return false;
}

/** The lowest version that warns who wrote for this one, such as 2.0.0 behind 1.4.2. */
export function warningVersion(before: string): string {
  const was = numbersOf(before);
  const place = warningPlace(was);
  return was.map((number, index) => (index < place ? number : index === place ? number + 1 : 0)).join('.');
}
