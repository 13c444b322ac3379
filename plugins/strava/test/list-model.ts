import type { Read } from '../src/client.ts';

/** An activity of the model. Times in seconds since 1970. */
export interface ModelActivity {
  readonly id: number;
  /** When it really began; what the list is sorted by where `sortsBy` is `true`. */
  readonly began: number;
  /** When Strava says it began. */
  readonly shown: number;
  /** Takes a place in a page and is not shown: Strava's pages may be shorter than asked for. */
  readonly left: boolean;
}

/** What Strava does not document, so that reading must not rest on it. */
export interface Unknowns {
  readonly sortsBy: 'began' | 'shown';
  readonly filtersBy: 'began' | 'shown';
  /** Whether `after` includes its own second. */
  readonly includes: boolean;
}

/** A list that answers as Strava's does, and changes between two requests when `change` says so. */
export class ListModel {
  activities: ModelActivity[];
  requests = 0;
  /** Called before each request is answered, with its number. */
  change: (request: number) => void = () => undefined;
  /** What time it is. */
  clock: number;
  readonly #unknowns: Unknowns;

  constructor(activities: readonly ModelActivity[], unknowns: Unknowns, now: number) {
    this.activities = [...activities];
    this.#unknowns = unknowns;
    this.clock = now;
  }

  now(): number {
    return this.clock * 1000;
  }

  /** Everything that the list shows, in its order. */
  sorted(): ModelActivity[] {
    const by = this.#unknowns.sortsBy;
    return this.activities.toSorted((a, b) => a[by] - b[by] || a.id - b.id);
  }

  async get(_path: string, query: Readonly<Record<string, number>>): Promise<Read> {
    this.requests += 1;
    this.change(this.requests);
    const { after = 0, page = 1, per_page: perPage = 30 } = query;
    if (after > this.clock) throw new Error('Expected after not to be in the future');
    const { filtersBy, includes } = this.#unknowns;
    const later = this.sorted().filter((one) => one[filtersBy] > after - (includes ? 1 : 0));
    const shown = later.slice((page - 1) * perPage, page * perPage).filter(({ left }) => !left);
    const text = JSON.stringify(
      shown.map(({ id, shown: start }) => ({ id, start_date: new Date(start * 1000).toISOString() })),
    );
    return { text, value: JSON.parse(text) as Read['value'] };
  }
}
