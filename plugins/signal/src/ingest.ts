import { characters, type IngestContracts } from '@on-the-way/sdk';
import { z } from 'zod';

/** The `source_id` of signals a random generator made, posted and read alike. */
export const randomSource = 'signal_random_connector';

const value = z.number().min(0).max(100);

/** The two contracts of v0.1.0. Two events are the same only when their payloads are, whole. */
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
};
