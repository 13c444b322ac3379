import { defineSink } from '@on-the-way/sdk';
import { z } from 'zod';
import { openWriter } from './writer.ts';

const config = z.strictObject({
  /** Where the files are; made where there is none. A relative one is relative to where the host was started. */
  directory: z
    .string()
    .min(1)
    .refine((path) => !path.includes('\0'), 'Expected a path without NUL characters'),
});

/** The sink of who wants to read events with the tools for text. */
export default defineSink({
  name: 'jsonl',
  version: '0.1.0',
  description: 'Raw events into files of JSON lines, one a day, each event once.',
  config,
  open: ({ config: { directory }, log }) => openWriter({ directory, log }),
});
