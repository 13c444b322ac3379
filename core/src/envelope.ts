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
import { sha256 } from './digest.ts';

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

/** `"key":text` pairs as a JSON object, in the given order. */
function objectText(members: readonly (readonly [string, string])[]): string {
  return `{${members.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`;
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
  const { connector, service, source, version, accountRef, timeZone } = identity;
  const { day, data, key = day, occurredAt } = record;
  const whole = isObject(data);
  // First, since it refuses what JSON.stringify would throw at (bigint, cycles) or drop without a word.
  const said = canonicalJson(data);
  const canonical = whole ? said : objectText([['value', said]]);
  const text = isRawJson(data) ? data.rawJson : JSON.stringify(data);
  const account = ['account_ref', JSON.stringify(accountRef)] as const;
  const date = ['metric_date', JSON.stringify(day)] as const;
  const type = ['metric_type', JSON.stringify(dataset)] as const;
  const zone = ['timezone', JSON.stringify(timeZone)] as const;
  const named = ['connector', JSON.stringify(service)] as const;
  // Members in canonical order, so that the texts hashed are RFC 8785 without sorting again.
  const at = occurredAt === undefined ? [] : [['occurred_at', JSON.stringify(occurredAt)] as const];
  const digest = sha256(objectText([account, ['data', canonical], date, type, ...at])).slice(0, 16);
  const payloadHash = sha256(objectText([account, named, ['data', canonical], date, type, zone]));
  const payload = objectText([
    named,
    ['connector_version', JSON.stringify(version)],
    account,
    type,
    date,
    zone,
    ['fetched_at', JSON.stringify(formatInstant(read.at, timeZone))],
    ...(record.method === undefined ? [] : [['api_method', JSON.stringify(record.method)] as const]),
    ['data', whole ? text : objectText([['value', text]])],
  ]);
  return {
    sourceId: source,
    externalId: `${connector}::${accountRef}::${dataset}::${key}::${digest}`,
    occurredAt: occurredAt ?? formatStartOfDay(day, timeZone),
    payload,
    payloadHash,
    notCompared: envelopeNotCompared,
    requestId: read.requestId,
  };
}
