import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { defineSink, type RawEvent, type Sink } from './index.ts';

const event: RawEvent = {
  sourceId: 'weather_stations',
  externalId: 'weather::0123456789ab::temperature::2026-02-26::0123456789abcdef',
  occurredAt: '2026-02-26T00:00:00+08:00',
  payload: '{}',
  payloadHash: '0'.repeat(64),
  requestId: '00000000-0000-4000-8000-000000000000',
};

function createSink(stored: RawEvent[]): Sink {
  return defineSink({
    name: 'memory',
    version: '1.0.0',
    description: 'Keeps events in an array.',
    config: z.object({ limit: z.coerce.number().default(10) }),
    async open({ config, log }) {
      expectTypeOf(config).toEqualTypeOf<{ limit: number }>();
      log.info('opened', { limit: config.limit });
      return {
        async write(batch) {
          stored.push(...batch);
          const row = { outcome: 'written', rawId: 'r1', ingestedAt: '2026-02-26T00:00:00+08:00' } as const;
          return { written: batch.length, unchanged: 0, conflicts: [], rows: batch.map(() => row) };
        },
        async close() {},
      };
    },
  });
}

test('a sink is opened with its parsed configuration and a log, and writes what it is given', async () => {
  const stored: RawEvent[] = [];
  const lines: unknown[] = [];
  const sink = createSink(stored);
  const log = { debug() {}, info: (...line: unknown[]) => void lines.push(line), warn() {} };
  const writer = await sink.open({ config: sink.config.parse({ limit: '3' }), log });
  const { written } = await writer.write([event], { signal: new AbortController().signal });
  await writer.close();
  expect(written).toBe(1);
  expect(stored).toEqual([event]);
  expect(lines).toEqual([['opened', { limit: 3 }]]);
});

test('a sink is told from a connector by its kind, and cannot be changed once made', () => {
  const sink = createSink([]);
  expect(sink).toMatchObject({ kind: 'sink', name: 'memory', version: '1.0.0' });
  expect(sink.description).toBe('Keeps events in an array.');
  expect(() => Object.assign(sink, { name: 'other' })).toThrow(TypeError);
});
