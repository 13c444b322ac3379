/** The parts by name, in the order they are run in. */
export const partNames = ['sink', 'http', 'scheduler', 'planner', 'start', 'growth'] as const;

/** A part. */
export type PartName = (typeof partNames)[number];

/** What was asked for. */
export interface Asked {
  readonly full: boolean;
  readonly parts: readonly PartName[];
}

function isPart(name: string): name is PartName {
  return (partNames as readonly string[]).includes(name);
}

/** Reads the arguments; of what cannot be understood, a sentence that says what was expected. */
export function readArguments(given: readonly string[]): Asked | string {
  const full = given.includes('--full');
  const names = given.filter((argument) => argument !== '--full');
  const unknown = names.filter((name) => !isPart(name));
  if (unknown.length > 0)
    return `Expected --full and some of ${partNames.join(', ')}, found ${unknown.join(' ')}`;
  // It takes many minutes and gigabytes.
  const all = partNames.filter((name) => full || name !== 'growth');
  return { full, parts: names.length === 0 ? all : partNames.filter((name) => names.includes(name)) };
}
