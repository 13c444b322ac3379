import { addDays, type ConnectorRecord } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import signal from './index.ts';

async function read(config: object, day: string): Promise<ConnectorRecord[]> {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const records = signal.fetch({
    dataset: 'random_signal',
    // What login resolves with is the parsed configuration.
    session: signal.config.parse(config),
    window: { from: day, to: addDays(day, 1) },
    signal: new AbortController().signal,
    log: quiet,
  });
  return Array.fromAsync(records);
}

test('a day read twice gives the same signals', async () => {
  const config = { seed: 'a', perDay: 24 };
  const first = await read(config, '2026-02-26');
  expect(first).toHaveLength(24);
  expect(await read(config, '2026-02-26')).toEqual(first);
});

test('another seed, another version of the generator and another day give other signals', async () => {
  const valuesOf = async (config: object, day = '2026-02-26') =>
    (await read({ perDay: 24, ...config }, day)).map(({ data }) => (data as { value: number }).value);
  const first = await valuesOf({ seed: 'a' });
  expect(await valuesOf({ seed: 'b' })).not.toEqual(first);
  expect(await valuesOf({ seed: 'a', generatorVersion: '2' })).not.toEqual(first);
  expect(await valuesOf({ seed: 'a' }, '2026-02-27')).not.toEqual(first);
});

test('signals lie between 0 and 100, and spread over it', async () => {
  const values = (await read({ perDay: 1440 }, '2026-02-26')).map(
    ({ data }) => (data as { value: number }).value,
  );
  expect(values.every((value) => value >= 0 && value <= 100)).toBe(true);
  expect(values.filter((value) => value < 10).length).toBeGreaterThan(90);
  expect(values.filter((value) => value > 90).length).toBeGreaterThan(90);
});
