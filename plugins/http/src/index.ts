import {
  ConnectorError,
  defineSink,
  type RawEvent,
  type WriteResult,
  type WrittenRow,
} from '@on-the-way/sdk';
import { z } from 'zod';

const config = z.strictObject({
  /** The ingest address of the other host, e.g. http://127.0.0.1:8000/v1/ingest/connector-health. */
  url: z.url({ protocol: /^https?$/ }),
  /** Default 10. Longest wait for one answer. */
  timeoutSeconds: z.number().min(1).max(300).default(10),
});

const stored = z.object({
  status: z.literal('ok'),
  raw_id: z.string(),
  ingested_at: z.string(),
  idempotent: z.boolean(),
});
const refused = z.object({ code: z.string(), message: z.string() });

type Target = z.output<typeof config>;

/** The event as the ingest contract wants it; the payload's text goes in unparsed, digit for digit. */
function bodyOf({ sourceId, externalId, occurredAt, payload }: RawEvent): string {
  const [source, id, at] = [sourceId, externalId, occurredAt].map((value) => JSON.stringify(value));
  return `{"source_id":${source},"external_id":${id},"occurred_at":${at},"payload":${payload}}`;
}

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

async function send(target: Target, event: RawEvent, signal: AbortSignal): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'x-request-id': event.requestId };
  const limited = AbortSignal.any([signal, AbortSignal.timeout(target.timeoutSeconds * 1000)]);
  try {
    const request = {
      method: 'POST',
      headers,
      body: bodyOf(event),
      signal: limited,
      redirect: 'error',
    } as const;
    return await fetch(target.url, request);
  } catch (cause) {
    signal.throwIfAborted();
    const { host } = new URL(target.url);
    throw new ConnectorError('transient', `Expected ${host} to take an event, but it did not answer`, {
      cause,
    });
  }
}

/** The other host's refusal in the words that say whether trying again helps. */
async function refusal(response: Response, event: RawEvent): Promise<ConnectorError> {
  const { status } = response;
  const answer = refused.safeParse(await response.json().catch(() => undefined));
  const why = answer.success ? `${answer.data.code}: ${answer.data.message}` : `HTTP ${status}`;
  const message = `Expected the other host to take ${event.externalId}, but: ${why}`;
  if (status === 429 || status >= 500) {
    const after = retryAfterMs(response);
    return new ConnectorError('transient', message, {
      status,
      ...(after !== undefined && { retryAfterMs: after }),
    });
  }
  const code = status === 401 || status === 403 || status === 404 ? 'config' : 'bad_data';
  return new ConnectorError(code, message, { status });
}

async function post(target: Target, event: RawEvent, signal: AbortSignal): Promise<WrittenRow> {
  const response = await send(target, event, signal);
  if (response.status === 409) {
    await response.arrayBuffer();
    return { outcome: 'conflict', rawId: '', ingestedAt: '' };
  }
  if (!response.ok) throw await refusal(response, event);
  const answer = stored.safeParse(await response.json().catch(() => undefined));
  if (!answer.success) {
    throw new ConnectorError(
      'bad_data',
      'Expected the ingest API to answer with raw_id and idempotent; check the address',
    );
  }
  const { raw_id: rawId, ingested_at: ingestedAt, idempotent } = answer.data;
  return { outcome: idempotent ? 'unchanged' : 'written', rawId, ingestedAt };
}

/**
 * Posts each event to another host, in order. A batch that fails half-way was stored in part; sending it
 * again finds that part unchanged, since the other host stores a key once.
 */
async function write(target: Target, batch: readonly RawEvent[], signal: AbortSignal): Promise<WriteResult> {
  const rows: WrittenRow[] = [];
  for (const event of batch) rows.push(await post(target, event, signal));
  const count = (outcome: WrittenRow['outcome']): number =>
    rows.filter((row) => row.outcome === outcome).length;
  return {
    written: count('written'),
    unchanged: count('unchanged'),
    conflicts: batch.filter((_, index) => rows[index]?.outcome === 'conflict'),
    rows,
  };
}

/** The sink of a worker host that has no raw.raw_event of its own. */
export default defineSink({
  name: 'http',
  version: '0.1.0',
  description: "Raw events to another host's ingest API.",
  config,
  async open({ config: target }) {
    return { write: (batch, { signal }) => write(target, batch, signal), close: async () => undefined };
  },
});
