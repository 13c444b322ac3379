import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DatedEvent } from './ports.ts';
import { createSliceWrites } from './slice-writes.ts';

function eventsOf(count: number, characters = 2): DatedEvent[] {
  const payload = 'x'.repeat(characters);
  const event = { sourceId: 's', occurredAt: 'now', payload, payloadHash: 'h', requestId: 'r' };
  return Array.from({ length: count }, (_, at) => ({
    day: '2026-02-26',
    event: { ...event, externalId: String(at) },
  }));
}

/** A simulated sink whose writes end when the test says so. */
function createSink() {
  const writes: { readonly size: number; readonly settled: PromiseWithResolvers<void> }[] = [];
  const given: number[] = [];
  const stop = new AbortController();
  let most = 0;
  const open = () => writes.filter(({ settled }) => !ended.has(settled));
  const ended = new Set<PromiseWithResolvers<void>>();
  const slice = createSliceWrites(
    (events) => {
      const settled = Promise.withResolvers<void>();
      writes.push({ size: events.length, settled });
      most = Math.max(most, open().length);
      return settled.promise;
    },
    (events) => given.push(events),
    stop.signal,
  );
  return {
    stop,
    slice,
    writes,
    given,
    most: () => most,
    open,
    end(at: number, error?: Error): void {
      const write = writes[at];
      if (!write) throw new Error(`expected a write ${at}`);
      ended.add(write.settled);
      if (error) write.settled.reject(error);
      else write.settled.resolve();
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what comes while a write is under way is one write behind it, or beside it once that is worth one', async () => {
  const sink = createSink();
  for (let batch = 0; batch < 10; batch += 1) await sink.slice.add(eventsOf(100));
  expect(sink.writes.map(({ size }) => size)).toEqual([100]);
  sink.end(0);
  await turn();
  expect(sink.writes.map(({ size }) => size)).toEqual([100, 900]);
  for (let batch = 0; batch < 41; batch += 1) await sink.slice.add(eventsOf(100));
  expect(sink.writes.map(({ size }) => size)).toEqual([100, 900, 2_048, 2_048]);
  const ended = sink.slice.end();
  for (const write of [1, 2, 3]) sink.end(write);
  await turn();
  expect(sink.writes.map(({ size }) => size)).toEqual([100, 900, 2_048, 2_048, 4]);
  sink.end(4);
  await ended;
  expect(sink.most()).toBe(3);
});

describe('what waits is bounded', () => {
  test.each([
    ['rows', 128, 2, 2_048],
    ['characters', 4, 256 * 1024, 8],
  ])('by %s, and so is a write', async (_what, size, characters, most) => {
    const sink = createSink();
    const added: number[] = [];
    const adding = (async () => {
      for (let batch = 0; batch < 100; batch += 1) {
        await sink.slice.add(eventsOf(size, characters));
        added.push(size);
      }
      await sink.slice.end();
    })();
    await turn();
    // The write of what came first, two whole ones, and one that waits.
    expect(added.length * size).toBeLessThanOrEqual(3 * most + size);
    for (let at = 0; at < sink.writes.length; at += 1) {
      sink.end(at);
      await turn();
    }
    await adding;
    expect(Math.max(...sink.writes.map((write) => write.size))).toBe(most);
    expect(sink.writes.reduce((sum, write) => sum + write.size, 0)).toBe(100 * size);
  });
});

test('after a write that failed nothing more is written, the other ends first, and what was not handed over is told', async () => {
  const sink = createSink();
  await sink.slice.add(eventsOf(10));
  await sink.slice.add(eventsOf(2_048));
  await sink.slice.add(eventsOf(20));
  sink.end(0, new Error('away'));
  await turn();
  let isRejected = false;
  const adding = sink.slice.add(eventsOf(5)).catch((error: unknown) => {
    isRejected = true;
    throw error;
  });
  adding.catch(() => undefined);
  await turn();
  expect(isRejected).toBe(false);
  sink.end(1);
  await expect(adding).rejects.toThrow('away');
  expect([sink.writes.length, sink.given]).toEqual([2, [20, 5]]);
});

test('what waits when the slice is told to stop is given up at once, while a write is still under way', async () => {
  const sink = createSink();
  await sink.slice.add(eventsOf(10));
  await sink.slice.add(eventsOf(20));
  sink.stop.abort(new Error('told to stop'));
  expect(sink.given).toEqual([20]);
  const ended = sink.slice.end();
  sink.end(0);
  await expect(ended).rejects.toThrow('told to stop');
  expect([sink.writes.length, sink.given]).toEqual([1, [20]]);
});

test('every event is handed over once, or told to be given up, whatever the writes do', async () => {
  const scenario = fc.record({
    batches: fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 12 }),
    failing: fc.option(fc.nat({ max: 6 }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ batches, failing }) => {
      let handed = 0;
      let given = 0;
      let writes = 0;
      const slice = createSliceWrites(
        async (events) => {
          const mine = writes++;
          handed += events.length;
          await turn();
          if (mine === failing) throw new Error('away');
        },
        (events) => (given += events),
        new AbortController().signal,
      );
      let added = 0;
      const all = (async () => {
        for (const size of batches) {
          added += size;
          await slice.add(eventsOf(size));
        }
        await slice.end();
      })();
      await all.catch(() => undefined);
      expect(handed + given).toBe(added);
      if (failing === undefined || failing >= writes) expect(given).toBe(0);
    }),
    { numRuns: 60 },
  );
});
