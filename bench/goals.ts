// What is aimed at, and whether it was reached.
import { ratioOf, type Basis, type Figures } from './figures.ts';

/** One aim. */
export interface Goal {
  readonly what: string;
  /** What it is measured against; empty for what stands for itself. */
  readonly against: string;
  /** NaN where this system does not tell. */
  readonly value: number;
  readonly unit: '×' | 'µs' | 'ms' | 'MB' | '/s';
  readonly sense: 'at least' | 'at most';
  readonly target: number;
  /** Which runs the value was taken of. */
  readonly basis: Basis;
}

/** Whether the value is where it should be; undefined when there is none. */
export function isMet({ value, sense, target }: Goal): boolean | undefined {
  if (Number.isNaN(value)) return undefined;
  return sense === 'at least' ? value >= target : value <= target;
}

/** How a rate stands to another. */
export function rateGoal(
  what: string,
  against: string,
  { mine, base, target }: { readonly mine: Figures; readonly base: Figures; readonly target: number },
): Goal {
  return { what, against, ...ratioOf(mine, base), unit: '×', sense: 'at least', target };
}

/** Something that must not be more than so much, by all runs. */
export function limitGoal(
  what: string,
  limit: Pick<Goal, 'unit' | 'target'> & { readonly value: number | undefined; readonly against?: string },
): Goal {
  const { value = Number.NaN, unit, target, against = '' } = limit;
  return { what, against, value, unit, sense: 'at most', target, basis: 'all' };
}
