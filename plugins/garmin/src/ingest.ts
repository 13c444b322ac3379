import {
  characters,
  formatInstant,
  formatStartOfDay,
  isDay,
  parseInstant,
  type IngestContract,
  type IngestContracts,
  type IngestEvent,
  type IngestProblem,
  type IngestRules,
} from '@on-the-way/sdk';
import { z } from 'zod';
import { datasetNames } from './datasets/index.ts';

const instantExpected = 'expected a point in time with offset such as 2026-02-26T10:10:06+08:00';

const payload = z.strictObject({
  connector: z.literal('garmin_connect'),
  connector_version: characters(1, 32),
  account_ref: z.string().regex(/^[0-9a-f]{12}$/, 'expected 12 hex digits, lower case'),
  metric_type: z
    .string()
    .refine((name) => datasetNames.includes(name), {
      error: `expected one of ${datasetNames.join(', ')}`,
      params: { code: 'UNSUPPORTED_METRIC_TYPE' },
    })
    .meta({ enum: datasetNames }),
  metric_date: z.string().refine(isDay, 'expected a day such as 2026-02-26').meta({ format: 'date' }),
  timezone: z.string(),
  fetched_at: z
    .string()
    .refine((text) => parseInstant(text) !== undefined, instantExpected)
    .meta({ format: 'date-time' }),
  // Clients that write out every optional member send null for a method that is not there.
  api_method: characters(1, 128).nullish(),
  data: z.unknown().refine((data) => data !== undefined, "expected the source's answer"),
});

// Of `+08:00`, with which both ways to write an instant end.
const offsetLength = 6;

/** Which rule over several fields an envelope breaks. Zone first: the others are counted in it. */
function check(event: IngestEvent, { timeZones }: IngestRules): IngestProblem | undefined {
  // The host parsed it by the schema above.
  const said = event.payload as unknown as z.output<typeof payload>;
  const { timezone, metric_date: date } = said;
  if (!timeZones.includes(timezone)) {
    const message = `expected a time zone that this host accepts: ${timeZones.join(', ')}`;
    return { code: 'INVALID_TIMEZONE', field: 'payload.timezone', message };
  }
  const midnight = formatStartOfDay(date, timezone);
  if (event.occurredAt !== midnight && parseInstant(event.occurredAt)?.text !== midnight) {
    const message = `expected 00:00 of metric_date in the payload's time zone, with the zone's offset`;
    return { code: 'INVALID_ARGUMENT', field: 'occurred_at', message };
  }
  const fetched = parseInstant(said.fetched_at);
  const inZone = fetched && formatInstant(fetched.ms, timezone);
  if (fetched?.text.slice(-offsetLength) !== inZone?.slice(-offsetLength)) {
    const message = "expected the offset that the payload's time zone has at that instant";
    return { code: 'INVALID_ARGUMENT', field: 'payload.fetched_at', message };
  }
  return undefined;
}

const connectorHealth: IngestContract = {
  description:
    "An answer of Garmin Connect for a dataset and a day, in the envelope this host's own connector writes.",
  source: 'garmin_connect_health',
  externalIdLength: 128,
  payload,
  described: ({ timeZones }) => payload.extend({ timezone: z.enum(timeZones) }),
  check,
  notCompared: ['fetched_at', 'api_method', 'connector_version'],
  wrapped: ['data'],
};

/** What may be posted of Garmin's datasets. */
export const ingest: IngestContracts = { 'connector-health': connectorHealth };
