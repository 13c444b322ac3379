import { ConnectorError, type RawEvent, type SinkWriter, type WrittenRow } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { settingAside } from './set-aside.ts';

const row: WrittenRow = { outcome: 'written', rawId: 'id', ingestedAt: '2026-02-26T00:00:00+08:00' };

/** A simulated sink that stores all of a batch or nothing, and what it was asked for. */
function sinkThat(answer: (batch: readonly RawEvent[], call: number) => void) {
  const calls: number[] = [];
  const stored: string[] = [];
  const sink: SinkWriter = {
    async write(batch) {
      calls.push(batch.length);
      answer(batch, calls.length);
      stored.push(...batch.map(({ externalId }) => externalId));
      return { written: batch.length, unchanged: 0, conflicts: [], rows: batch.map(() => row) };
    },
    close: async () => undefined,
  };
  const letters: string[] = [];
  const run = settingAside(sink, {
    connection: 'c',
    runId: 'r',
    letters: { add: async (refused) => void letters.push(...refused.map(({ event }) => event.externalId)) },
  });
  return { calls, stored, letters, write: (batch: readonly RawEvent[]) => run.write(batch, { signal }) };
}

const { signal } = new AbortController();
const batchOf = (count: number): RawEvent[] =>
  Array.from({ length: count }, (_, at) => ({
    sourceId: 's',
    externalId: String(at),
    occurredAt: '2026-02-26T00:00:00+08:00',
    payload: '{}',
    payloadHash: 'h',
    requestId: 'r',
  }));
const bad = new ConnectorError('bad_data', 'no');

test('of thousands of events the few that cannot be stored are set aside, in few writes, and all others are stored', async () => {
  const poison = ['17', '4000'];
  const { calls, stored, letters, write } = sinkThat((batch) => {
    if (batch.some(({ externalId }) => poison.includes(externalId))) throw bad;
  });
  const { rows, failure } = await write(batchOf(5_000));
  expect(failure).toBe(bad);
  expect(rows.flatMap(({ outcome }, at) => (outcome === 'set_aside' ? [String(at)] : []))).toEqual(poison);
  expect(letters).toEqual(poison);
  expect(stored).toEqual(
    batchOf(5_000).flatMap(({ externalId }) => (poison.includes(externalId) ? [] : externalId)),
  );
  expect(calls.length).toBeLessThan(60);
});

test('where nothing can be stored, so much is set aside and the rest is given up', async () => {
  const { calls, stored, letters, write } = sinkThat(() => {
    throw bad;
  });
  const { rows, failure } = await write(batchOf(2_048));
  expect(failure).toBe(bad);
  expect([letters.length, stored.length, rows.length]).toEqual([64, 0, 2_048]);
  expect(rows.filter(({ outcome }) => outcome === 'given_up')).toHaveLength(2_048 - 64);
  expect(calls.length).toBeLessThan(150);
});

test('when the database goes away in the middle, what is not known to be stored is given up', async () => {
  const away = new ConnectorError('transient', 'away');
  const { write } = sinkThat((batch, call) => {
    if (call > 3) throw away;
    if (batch.some(({ externalId }) => externalId === '0')) throw bad;
  });
  const { rows, failure } = await write(batchOf(4));
  expect(failure).toBe(away);
  expect(rows.map(({ outcome }) => outcome)).toEqual(['set_aside', 'given_up', 'given_up', 'given_up']);
  const first = sinkThat(() => {
    throw away;
  });
  await expect(first.write(batchOf(4))).rejects.toBe(away);
});
