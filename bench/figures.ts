// What many runs of one thing come to. Pure: no clock, no process.

/** One run. */
export interface Sample {
  readonly rows: number;
  /** Of the records as they came over the wire. */
  readonly bytes: number;
  readonly ms: number;
  /** Microseconds of CPU of the program that wrote, and of its children; undefined where the system does not tell. */
  readonly clientUs: number | undefined;
  /** The same of Postgres: the postmaster and all that it has started. */
  readonly serverUs: number | undefined;
  /** Share of the machine that processes of others used meanwhile, 0 to 1. */
  readonly others: number | undefined;
  /** Most memory that the program and its children have had, MB. */
  readonly rssMb: number | undefined;
}

/** What the runs of a variant come to. Rates are rows a second, times microseconds a row. */
export interface Figures {
  readonly runs: number;
  /** Median of all runs. */
  readonly rate: number;
  /** Median of the runs in which others let us have the machine, and how many those were. */
  readonly quiet: { readonly rate: number; readonly runs: number } | undefined;
  readonly best: { readonly rate: number; readonly others: number | undefined };
  /** Megabytes (10^6) a second at the median of all runs. */
  readonly megabytes: number;
  readonly clientUs: number | undefined;
  readonly serverUs: number | undefined;
  readonly others: number | undefined;
  readonly rssMb: number | undefined;
}

/** A run is quiet up to this share of the machine in other hands. */
export const quietShare = 0.2;

/** The middle one, or between the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** The median of what is known; undefined when nothing is. */
function known(values: readonly (number | undefined)[]): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : median(there);
}

function rateOf({ rows, ms }: Sample): number {
  return (rows / ms) * 1000;
}

/** Takes the runs of one variant together. */
export function figuresOf(samples: readonly Sample[]): Figures {
  const rates = samples.map(rateOf);
  const quiet = samples.filter(({ others }) => others !== undefined && others <= quietShare).map(rateOf);
  const best = samples.toSorted((a, b) => rateOf(b) - rateOf(a))[0];
  const each = (us: (sample: Sample) => number | undefined) =>
    known(samples.map((sample) => (us(sample) === undefined ? undefined : us(sample)! / sample.rows)));
  return {
    runs: samples.length,
    rate: median(rates),
    quiet: quiet.length === 0 ? undefined : { rate: median(quiet), runs: quiet.length },
    best: { rate: best ? rateOf(best) : Number.NaN, others: best?.others },
    megabytes: median(samples.map(({ bytes, ms }) => bytes / ms / 1000)),
    clientUs: each((sample) => sample.clientUs),
    serverUs: each((sample) => sample.serverUs),
    others: known(samples.map(({ others }) => others)),
    rssMb: known(samples.map(({ rssMb }) => rssMb)),
  };
}

/** What a ratio was taken of: medians of quiet runs, best runs where one side had no quiet one, or medians of all. */
export type Basis = 'quiet' | 'best' | 'all';

/** How one rate stands to another of the same sitting. */
export function ratioOf(mine: Figures, base: Figures): { readonly value: number; readonly basis: Basis } {
  if (mine.quiet && base.quiet) return { value: mine.quiet.rate / base.quiet.rate, basis: 'quiet' };
  if (mine.others === undefined || base.others === undefined)
    return { value: mine.rate / base.rate, basis: 'all' };
  return { value: mine.best.rate / base.best.rate, basis: 'best' };
}
