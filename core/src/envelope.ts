import {
  formatInstant,
  formatStartOfDay,
  isRawJson,
  type Day,
  type JsonValue,
  type RawEvent,
  type RawJson,
} from '@on-the-way/sdk';
import { canonicalJson } from './canonical-json.ts';
import { sha256Within, type Frame } from './digest.ts';

/** A record with its day. */
interface DatedRecord {
  readonly day: Day;
  readonly data: JsonValue | RawJson;
  readonly method?: string;
  /** Of a cursor dataset: what the source calls it; takes the day's place in the key. */
  readonly key?: string;
  /** Of a cursor dataset: when it happened, where that is known; RFC 3339 in UTC. */
  readonly occurredAt?: string;
}

/** Members of the envelope that say how a thing was read: two envelopes may differ in them and say the same. */
export const envelopeNotCompared: readonly string[] = ['fetched_at', 'api_method', 'connector_version'];

/** Whose records are wrapped; the same for a whole run. */
export interface EnvelopeIdentity {
  /** First part of every external_id. */
  readonly connector: string;
  /** `payload.connector`. */
  readonly service: string;
  /** `source_id`. */
  readonly source: string;
  /** `payload.connector_version`, 1 to 32 characters. */
  readonly version: string;
  /** 12 hex digits; see accountRefOf. */
  readonly accountRef: string;
  /** The zone days are counted in. */
  readonly timeZone: string;
}

function isObject(data: JsonValue | RawJson): boolean {
  if (isRawJson(data)) return /^\s*\{/.test(data.rawJson);
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}

/** The parts of an envelope that are the same for all records of a day, ready to be written. */
interface DayFrame {
  readonly identity: EnvelopeIdentity;
  readonly dataset: string;
  readonly day: Day;
  /** Around the data in the text that the digest in the key is made of, without its last character. */
  readonly digested: Frame;
  /** Around the data in the text that the payload's hash is made of. */
  readonly hashed: Frame;
  /** Of the payload up to the time of reading. */
  readonly payload: string;
  readonly externalId: string;
  readonly startOfDay: string;
}

// Members in canonical order, so that the texts hashed are RFC 8785 without sorting again.
function frameOf(identity: EnvelopeIdentity, dataset: string, day: Day): DayFrame {
  const { connector, service, version, accountRef, timeZone } = identity;
  const account = `"account_ref":${JSON.stringify(accountRef)}`;
  const named = `"connector":${JSON.stringify(service)}`;
  const date = `"metric_date":${JSON.stringify(day)}`;
  const type = `"metric_type":${JSON.stringify(dataset)}`;
  const zone = `"timezone":${JSON.stringify(timeZone)}`;
  const versioned = `"connector_version":${JSON.stringify(version)}`;
  return {
    identity,
    dataset,
    day,
    digested: { before: Buffer.from(`{${account},"data":`), behind: `,${date},${type}` },
    hashed: { before: Buffer.from(`{${account},${named},"data":`), behind: `,${date},${type},${zone}}` },
    payload: `{${named},${versioned},${account},${type},${date},${zone},"fetched_at":`,
    externalId: `${connector}::${accountRef}::${dataset}::`,
    startOfDay: formatStartOfDay(day, timeZone),
  };
}

// Records come day by day, and thousands within a second.
let lastFrame: DayFrame | undefined;
let lastRead = { second: NaN, timeZone: '', text: '' };

function knownFrame(identity: EnvelopeIdentity, dataset: string, day: Day): DayFrame {
  const last = lastFrame;
  if (last?.identity === identity && last.dataset === dataset && last.day === day) return last;
  return (lastFrame = frameOf(identity, dataset, day));
}

/** The time of reading as JSON, whole seconds. */
function readText(at: number, timeZone: string): string {
  const second = Math.floor(at / 1000);
  if (lastRead.second !== second || lastRead.timeZone !== timeZone)
    lastRead = { second, timeZone, text: JSON.stringify(formatInstant(at, timeZone)) };
  return lastRead.text;
}

/**
 * Wraps what a connector said into the event that is stored (the health envelope). The digest in the
 * key covers metric_type, metric_date, account_ref, data and, where it is given, the instant, so reading unchanged data again makes the
 * same key; `payloadHash` covers the payload without fetched_at, api_method and connector_version.
 *
 * @param at When it was read, milliseconds since 1970.
 * @throws ConnectorError `bad_data` when the data is not JSON.
 */
export function envelopeOf(
  identity: EnvelopeIdentity,
  dataset: string,
  record: DatedRecord,
  read: { readonly at: number; readonly requestId: string },
): RawEvent {
  const { day, data, key = day, occurredAt, method } = record;
  const frame = knownFrame(identity, dataset, day);
  const { digested, hashed } = frame;
  const isWhole = isObject(data);
  const said = canonicalJson(data);
  const canonical = isWhole ? said : `{"value":${said}}`;
  const instant = occurredAt === undefined ? '' : `,"occurred_at":${JSON.stringify(occurredAt)}`;
  const dated = { before: digested.before, behind: `${digested.behind}${instant}}` };
  const [digest, payloadHash] = sha256Within(canonical, dated, hashed);
  // Raw JSON is stored to the character; else the canonical text says the same as any other.
  const raw = isRawJson(data) ? data.rawJson : said;
  const text = isWhole ? raw : `{"value":${raw}}`;
  const by = method === undefined ? '' : `,"api_method":${JSON.stringify(method)}`;
  return {
    sourceId: identity.source,
    externalId: `${frame.externalId}${key}::${digest.slice(0, 16)}`,
    occurredAt: occurredAt ?? frame.startOfDay,
    payload: `${frame.payload}${readText(read.at, identity.timeZone)}${by},"data":${text}}`,
    payloadHash,
    notCompared: envelopeNotCompared,
    requestId: read.requestId,
  };
}
