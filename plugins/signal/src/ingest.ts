import { characters, isDay, parseInstant, type IngestContracts } from '@on-the-way/sdk';
import { z } from 'zod';

/** The `source_id` of signals a random generator made, posted and read alike. */
export const randomSource = 'signal_random_connector';

const value = z.number().min(0).max(100);

/** What the connector reads. */
export const randomSignal = z.strictObject({
  value,
  seed: characters(1, 64),
  generator_version: characters(1, 32),
  // Tells two equal values of a day apart.
  number: z.int().min(1),
});

/** The envelope that a host makes of it. */
const envelope = z.strictObject({
  connector: z.literal('signal'),
  connector_version: characters(1, 32),
  account_ref: z.string().regex(/^[0-9a-f]{12}$/, 'expected 12 hex digits, lower case'),
  metric_type: z.literal('random_signal'),
  metric_date: z.string().refine(isDay, 'expected a day such as 2026-02-26').meta({ format: 'date' }),
  timezone: characters(1, 64),
  fetched_at: z
    .string()
    .refine((text) => parseInstant(text) !== undefined, 'expected a point in time with offset')
    .meta({ format: 'date-time' }),
  data: randomSignal,
});

/**
 * The two contracts of v0.1.0, of which two events are the same only when their payloads are, whole; and what this plugin's
 * connector reads on another host.
 */
export const ingest: IngestContracts = {
  'manual-signal': {
    description: 'A number that a person typed in.',
    source: 'ios_manual',
    externalIdLength: 64,
    // Clients that write out every optional member send null for a note that is not there.
    payload: z.strictObject({ value, note: characters(0, 256).nullish() }),
  },
  'connector-signal': {
    description: 'A number that a random generator made.',
    source: randomSource,
    externalIdLength: 64,
    payload: z.strictObject({ value, seed: characters(1, 64), generator_version: characters(1, 32) }),
  },
  'random-signal': {
    description: 'A number that the signal connector of another host made, in the envelope that hosts write.',
    source: randomSource,
    externalIdLength: 128,
    payload: envelope,
    notCompared: ['fetched_at', 'connector_version'],
  },
};
