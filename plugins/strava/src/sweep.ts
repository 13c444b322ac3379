import { ConnectorError } from '@on-the-way/sdk';

/** An activity of a list, as far as reading the list needs it. */
export interface Listed {
  readonly key: string;
  /** Start as it is shown, in seconds since 1970. */
  readonly start: number;
}

/** Asks for a page of the activities that began after a time, oldest first; 1 is the first page. */
export type List<Item extends Listed> = (after: number, page: number) => Promise<readonly Item[]>;

/**
 * How far a list is read again behind what was read, in seconds: two days. Strava shows the start of an activity whose
 * start is hidden as midnight and a second, and does not say by which of the two it sorts and filters, nor in which zone
 * midnight is; it does not say either whether `after` includes its own second. Within two days all of these lie.
 */
const overlap = 2 * 86_400;

// A list that changes more often than this while one place of it is read is left for later.
const mostTries = 10;

/** How far a sweep got; undefined when the list ended. */
export type Swept = { readonly through: number; readonly after: number; readonly count: number } | undefined;

function checkOrder(items: readonly Listed[], after: number): void {
  let latest = after;
  for (const { start } of items) {
    if (start < latest - overlap) {
      throw new ConnectorError(
        'bad_data',
        'Expected activities after a time, oldest first, got another order: reading on would skip some',
      );
    }
    latest = Math.max(latest, start);
  }
}

/**
 * Reads from two days before `at` until something later than `at` has come, and yields the pages. One page does, unless
 * two days fill it. A page alone is one moment of the list; several are not: what is deleted from an earlier page
 * moves everything behind it, so they are read until two readings in a row are the same.
 *
 * @throws ConnectorError `transient` when no two readings are, `bad_data` when the order is not what it should be.
 */
export async function* sweep<Item extends Listed>(
  list: List<Item>,
  { at, now }: { readonly at: number; readonly now: number },
): AsyncGenerator<readonly Item[], Swept> {
  // Strava refuses an `after` in the future, where a wrong clock of a watch may have put an activity.
  const after = Math.max(0, Math.min(at, now) - overlap);
  let before: string | undefined;
  for (let tries = 0; tries < mostTries; tries += 1) {
    const read: Item[] = [];
    let through = at;
    let page = 0;
    let items: readonly Item[];
    do {
      page += 1;
      items = await list(after, page);
      checkOrder(items, after);
      yield items;
      for (const item of items) {
        read.push(item);
        through = Math.max(through, item.start);
      }
    } while (items.length > 0 && through === at);
    if (items.length === 0) return undefined;
    const reading = read.map(({ key }) => key).join();
    if (page === 1 || reading === before) return { through, after, count: items.length };
    before = reading;
  }
  throw new ConnectorError(
    'transient',
    'Expected a list that stands still for a moment, got changes at every reading',
  );
}
