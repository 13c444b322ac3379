import {
  defineSink,
  secret,
  type RawEvent,
  type SinkWriter,
  type WriteResult,
  type WrittenRow,
} from '@on-the-way/sdk';
import { z } from 'zod';
import { rowOf, verdictsOf } from './answers.ts';
import { itemOf, partsOf, type Item } from './batches.ts';
import { checkEvent } from './check-event.ts';
import { post, type Target } from './post.ts';

const config = z.strictObject({
  /** The other host, e.g. http://127.0.0.1:8000, or an ingest address of it; without a path it is /v1/ingest/events. */
  url: z
    .url({ protocol: /^https?$/ })
    .refine(
      (url) => !/[?#]|\/batch\/?$/.test(url),
      'Expected an address without ? and #, and without /batch at its end',
    ),
  /** A key of the other host with the scope ingest; none where it asks for none. */
  apiKey: secret().optional(),
  /** Default 10. Longest wait for one answer. */
  timeoutSeconds: z.number().min(1).max(300).default(10),
});

// Takes what connectors of any source read.
const eventsPath = '/v1/ingest/events';

// A host of an earlier version has the contracts, but takes one event at a time.
const contractPath = /\/v1\/ingest\/[a-z][a-z0-9-]*$/;

async function postOne(target: Target, { event, body }: Item, signal: AbortSignal): Promise<WrittenRow> {
  const contentType = 'application/json';
  const verdict = await post(target, { path: '', contentType, body, requestId: event.requestId }, signal);
  return rowOf(verdict, event);
}

async function postEach(target: Target, part: readonly Item[], signal: AbortSignal): Promise<WrittenRow[]> {
  const rows: WrittenRow[] = [];
  for (const item of part) rows.push(await postOne(target, item, signal));
  return rows;
}

/** What became of the events, or that the other host does not take them as a batch: these, or none at all. */
async function postBatch(
  target: Target,
  part: readonly Item[],
  signal: AbortSignal,
): Promise<WrittenRow[] | { readonly never: boolean }> {
  const body = part.map((item) => item.body).join('\n');
  const requestId = part[0]?.event.requestId ?? '';
  const verdict = await post(
    target,
    { path: '/batch', contentType: 'application/x-ndjson', body, requestId },
    signal,
  );
  if (verdict.status === 404 || verdict.status === 405) return { never: true };
  // A proxy on the way may allow less than the host does.
  if (verdict.status === 413) return { never: false };
  const events = part.map(({ event }) => event);
  return verdictsOf(verdict, events).map((one, index) => rowOf(one, events[index] as RawEvent));
}

function resultOf(batch: readonly RawEvent[], rows: readonly WrittenRow[]): WriteResult {
  const count = (outcome: WrittenRow['outcome']): number =>
    rows.filter((row) => row.outcome === outcome).length;
  return {
    written: count('written'),
    unchanged: count('unchanged'),
    conflicts: batch.filter((_, index) => rows[index]?.outcome === 'conflict'),
    rows,
  };
}

/**
 * Posts events to another host, in order: in one request where it takes them so, and then all of them are stored or none.
 * Of a batch that takes several the first ones may be stored when a later one fails; sending it again finds these
 * unchanged, since the other host stores a key once.
 */
function writerTo(target: Target): SinkWriter {
  let takesBatches = contractPath.test(new URL(target.url).pathname);
  const postPart = async (part: readonly Item[], signal: AbortSignal): Promise<WrittenRow[]> => {
    if (!takesBatches || part.length === 1) return postEach(target, part, signal);
    const answer = await postBatch(target, part, signal);
    if (Array.isArray(answer)) return answer;
    const rows = await postEach(target, part, signal);
    // Only a host that takes them one by one knows no batches; another may just have been away.
    if (answer.never) takesBatches = false;
    return rows;
  };
  return {
    async write(batch, { signal }) {
      batch.forEach(checkEvent);
      const rows: WrittenRow[] = [];
      for (const part of partsOf(batch.map(itemOf))) rows.push(...(await postPart(part, signal)));
      return resultOf(batch, rows);
    },
    close: async () => undefined,
  };
}

/** Where one event is posted. */
function addressOf(url: string): string {
  return new URL(url).pathname === '/' ? new URL(eventsPath, url).href : url;
}

/** The sink of a worker host that has no raw.raw_event of its own. */
export default defineSink({
  name: 'http',
  version: '0.1.0',
  description: "Raw events to another host's ingest API.",
  config,
  open: async ({ config: target }) => writerTo({ ...target, url: addressOf(target.url) }),
});
