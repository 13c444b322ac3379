import { expect, test, vi } from 'vitest';
import { keepOpen } from './keep-open.ts';
import type { OpenConnector } from './ports.ts';

function connector(alive = true) {
  const state = { alive };
  const close = vi.fn(async () => undefined);
  const opened: OpenConnector = {
    accountRef: '0123456789ab',
    datasets: [],
    version: '1',
    fetch: () => (async function* () {})(),
    check: async () => undefined,
    lastChange: async () => undefined,
    dayMarks: async () => ({}),
    isAlive: () => state.alive,
    settled: async () => undefined,
    close,
  };
  return { opened, close, state };
}

test('a connector that is alive is used as it is', async () => {
  const first = connector();
  const open = vi.fn(async () => connector().opened);
  expect(await keepOpen(first.opened, open).get()).toBe(first.opened);
  expect(open).not.toHaveBeenCalled();
});

test('a dead one is closed and opened again once, however many ask', async () => {
  const first = connector(false);
  const second = connector();
  const open = vi.fn(async () => second.opened);
  const kept = keepOpen(first.opened, open);
  const all = await Promise.all([kept.get(), kept.get(), kept.get()]);
  expect(new Set(all)).toEqual(new Set([second.opened]));
  expect(open).toHaveBeenCalledOnce();
  expect(first.close).toHaveBeenCalledOnce();
});

test('closing waits for one that is just being opened, and closes that', async () => {
  const second = connector();
  const opening = Promise.withResolvers<OpenConnector>();
  const kept = keepOpen(connector(false).opened, () => opening.promise);
  const asked = kept.get();
  // Lets it get as far as opening.
  await new Promise((resolve) => setImmediate(resolve));
  const closed = kept.close();
  opening.resolve(second.opened);
  await Promise.all([asked, closed]);
  expect(second.close).toHaveBeenCalledOnce();
});

test('opening that fails is told, and tried again by whoever asks next', async () => {
  const second = connector();
  const open = vi.fn<() => Promise<OpenConnector>>();
  open.mockRejectedValueOnce(new Error('no')).mockResolvedValueOnce(second.opened);
  const kept = keepOpen(connector(false).opened, open);
  await expect(kept.get()).rejects.toThrow('no');
  expect(await kept.get()).toBe(second.opened);
});
