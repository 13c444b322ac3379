import { createHash } from 'node:crypto';
import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { PluginBug } from './call-plugin.ts';
import { canonicalJson } from './canonical-json.ts';
import { sha256 } from './digest.ts';

/** Notices a source that goes in circles, from the checkpoints of one fetch and the records between them. */
export interface CircleGuard {
  /** A record was read. */
  record(externalId: string): void;
  /**
   * A checkpoint was reached.
   *
   * @throws ConnectorError `source` when it leads back to where the fetch has been; PluginBug when it is no cursor.
   */
  checkpoint(cursor: JsonValue): void;
}

// A cursor says where to go on; what is longer is data.
const longestCursor = 65_536;
// What Postgres cannot hold in jsonb.
// oxlint-disable-next-line no-control-regex
const unstorable = /\\u0000|\\ud[89a-f][0-9a-f]{2}/i;

function textOf(dataset: string, cursor: unknown): string {
  const expected = `Expected a checkpoint of ${dataset} to be a JSON value of at most ${longestCursor} characters`;
  let text: string;
  try {
    text = canonicalJson(cursor as JsonValue);
  } catch (cause) {
    throw new PluginBug(`${expected}, got what JSON cannot hold`, { cause });
  }
  if (text.length > longestCursor) throw new PluginBug(`${expected}, got ${text.length}`);
  // JSON writes both as escapes, and nothing else looks like that but a backslash that is escaped itself.
  if (unstorable.test(text.replaceAll('\\\\', ''))) {
    throw new PluginBug(`${expected}, got one with a NUL or half a character`);
  }
  return text;
}

/**
 * Watches one fetch of a cursor dataset that began at `start`. A source may say once that there is nothing new, with
 * the cursor it was asked from, and may keep its cursor while it brings other records; to repeat a page of it, or to
 * return to an earlier cursor, would go on for ever.
 */
export function createCircleGuard(dataset: string, start: JsonValue | undefined): CircleGuard {
  const seen = new Set<string>();
  let last = start === undefined ? undefined : sha256(textOf(dataset, start));
  if (last !== undefined) seen.add(last);
  let first = true;
  let page = createHash('sha256');
  let records = 0;
  /** What was read since the cursor last moved. */
  const pagesHere = new Set<string>();
  return {
    record(externalId) {
      records += 1;
      page.update(`${externalId}\n`);
    },
    checkpoint(cursor) {
      const here = sha256(textOf(dataset, cursor));
      const content = records === 0 ? undefined : page.digest('hex');
      const stands = here === last && (first || (content !== undefined && !pagesHere.has(content)));
      if (seen.has(here) && !stands) {
        throw new ConnectorError(
          'source',
          `Expected the cursor of ${dataset} to move on, but it leads back to where this fetch has been: the source ` +
            'goes in circles; the last cursor before that stands',
        );
      }
      seen.add(here);
      if (here !== last) pagesHere.clear();
      if (content !== undefined) pagesHere.add(content);
      last = here;
      first = false;
      records = 0;
      page = createHash('sha256');
    },
  };
}
