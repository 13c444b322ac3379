import { hash } from 'node:crypto';
import { characters, dayAt, defineConnector } from '@on-the-way/sdk';
import { z } from 'zod';
import { ingest, randomSignal, randomSource } from './ingest.ts';

const config = z.strictObject({
  seed: characters(1, 64).default('on-the-way'),
  generatorVersion: characters(1, 32).default('1'),
  perDay: z.int().min(1).max(1440).default(1),
});

/** 0 to 100 with two decimals, always the same for the same text. */
function valueOf(text: string): number {
  return (
    Math.round((Number.parseInt(hash('sha256', text, 'hex').slice(0, 8), 16) / 0xff_ff_ff_ff) * 10_000) / 100
  );
}

/** Random signals: the same seed gives the same numbers, so that reading a day again stores nothing. */
export default defineConnector({
  name: 'signal',
  version: '0.1.0',
  description: 'Random signals, the same for the same seed.',
  source: randomSource,
  config,
  ingest,
  login: async (context) => context.config,
  account: ({ seed }) => seed,
  datasets: {
    random_signal: {
      granularity: 'day',
      settleDays: 1,
      description: 'Numbers from 0 to 100, `perDay` of them a day.',
      schema: randomSignal,
      async *fetch({ session: { seed, generatorVersion, perDay }, window: { from: day, to } }) {
        // Days begin first in Kiritimati: a later one has come nowhere, and nothing is said of it yet.
        if (day >= to || day > dayAt(Date.now(), 'Pacific/Kiritimati')) return;
        for (let number = 1; number <= perDay; number += 1) {
          const value = valueOf(JSON.stringify([seed, generatorVersion, day, number]));
          yield { day, data: { value, seed, generator_version: generatorVersion, number } };
        }
      },
    },
  },
});
