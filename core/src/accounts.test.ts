import type { RawEvent } from '@on-the-way/sdk';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAccounts } from './accounts.ts';
import { createBus } from './events.ts';
import type { EventOutcome, RunSink } from './ports.ts';
import type { DatasetCounts, EventCounts } from './run-summary.ts';

const { signal } = new AbortController();
const events = (count: number): RawEvent[] => Array.from({ length: count }, () => ({}) as RawEvent);

function accountsOf(write: RunSink['write']) {
  const bus = createBus();
  const counts: Record<string, DatasetCounts> = {};
  const told: EventCounts = { read: 0, written: 0, unchanged: 0, conflicts: 0, setAside: 0, givenUp: 0 };
  bus.on('events:counted', ({ counts: added }) => {
    for (const key of Object.keys(added) as (keyof EventCounts)[])
      Object.assign(told, { [key]: told[key] + added[key] });
  });
  return { accounts: createAccounts({ connection: 'c', sink: { write }, bus, counts }), counts, told };
}

const sumOf = ({ written, unchanged, conflicts, setAside, givenUp }: EventCounts): number =>
  written + unchanged + conflicts + setAside + givenUp;

test('whatever a sink answers, what was read is the sum of what became of it', async () => {
  const outcome = fc.constantFrom<EventOutcome>('written', 'unchanged', 'conflict', 'set_aside', 'given_up');
  const answer = fc.oneof(
    fc.record({ rows: fc.array(fc.record({ outcome }), { maxLength: 5 }) }),
    fc.constant('throws' as const),
    fc.constant('hangs' as const),
    fc.constant('aborted' as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(answer, fc.nat(3))), async (batches) => {
      const answers = batches.map(([given]) => given);
      const { accounts, counts, told } = accountsOf(async () => {
        const given = answers.shift();
        if (given === 'throws') throw new Error('broken');
        if (given === undefined || typeof given === 'string') return new Promise<never>(() => undefined);
        return given;
      });
      for (const [given, more] of batches) {
        const total = typeof given === 'string' ? more : given.rows.length + more;
        const stored = accounts.store(
          'steps',
          events(total),
          given === 'aborted' ? AbortSignal.abort() : signal,
        );
        stored.catch(() => undefined);
        if (given === 'aborted') answers.shift();
        if (given !== 'hangs') await stored.catch(() => undefined);
      }
      // A run that was told to stop waits a second; nothing here ends by waiting.
      if (!batches.some(([given]) => given === 'hangs')) await accounts.close(signal);
      const { steps } = counts;
      if (steps) expect({ ...steps, read: sumOf(steps) }).toEqual(steps);
      expect(told.read).toBe(sumOf(told));
    }),
    { numRuns: 200 },
  );
});

test('a write that does not end with the run is given up, and not counted again when it ends after all', async () => {
  const late = Promise.withResolvers<{ rows: { outcome: EventOutcome }[] }>();
  const { accounts, counts, told } = accountsOf(() => late.promise);
  const stored = accounts.store('steps', events(2), signal);
  await accounts.close(AbortSignal.abort());
  expect(counts['steps']).toMatchObject({ read: 2, written: 0, givenUp: 2 });
  late.resolve({ rows: [{ outcome: 'written' }, { outcome: 'written' }] });
  await stored;
  expect(counts['steps']).toMatchObject({ read: 2, written: 0, givenUp: 2 });
  expect(told).toMatchObject({ read: 2, givenUp: 2 });
});
