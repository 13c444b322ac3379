import { expect, test } from 'vitest';
import { checks } from './checks/index.ts';
import { connectorSubject, sinkSubject } from './liars/index.ts';
import { openHonest } from './liars/honest-source.ts';
import { runCheck, runChecks, testPlugin } from './run-checks.ts';
import { startTestServer } from './server.ts';
import type { Subject } from './subject.ts';

const checkOf = (id: number) => checks.find((check) => check.id === id)!;
const allSkipped = (reason: string) => Object.fromEntries(checks.map(({ id }) => [id, reason] as const));

/** Numbers of the checks that are told as `status` where all are skipped for the reason. */
async function toldAs(subject: Subject, { reason, status }: { reason: string; status: string }) {
  const { results } = await runChecks({ ...subject, skips: allSkipped(reason) });
  return results.filter((result) => result.status === status).map(({ check }) => check.id);
}

test('what is about every plugin of its kind cannot be skipped', async () => {
  const told = { reason: 'it is not wanted', status: 'failed' };
  expect(await toldAs(connectorSubject(), told)).toEqual([1, 2, 3, 4, 6, 7, 11, 12, 13, 16, 19, 28]);
  expect(await toldAs(sinkSubject(), told)).toEqual([1, 2, 3, 4, 6, 11, 39, 40, 41, 42, 43, 44]);
});

test('an empty reason is none', async () => {
  expect(await toldAs(connectorSubject(), { reason: ' ', status: 'skipped' })).toEqual([]);
  const { reason } = await runCheck(checkOf(21), { ...connectorSubject(), skips: { 21: '' } });
  expect(reason).toBe(
    'Expected skips to say why check 21 says nothing of this plugin, got an empty reason: write it, or take 21 out of skips',
  );
});

test('a check that cannot be skipped fails as a test of its own', async () => {
  const tests = new Map<string, () => Promise<void>>();
  testPlugin({ ...connectorSubject(), skips: { 6: 'it has no name', 21: 'it keeps all' } }, (title, body) =>
    tests.set(title, body),
  );
  const named = (id: number) => [...tests].find(([title]) => title.includes(`promise ${id}:`))?.[1];
  await expect(named(6)?.()).rejects.toThrow('take 6 out of skips');
  expect(named(21)).toBeUndefined();
});

const ofNetworks = [8, 9, 10, 27, 34, 35, 36];

test('a connector that connects to something cannot say that it asks nothing of a network', async () => {
  const server = await startTestServer();
  try {
    const { open: _, ...subject } = connectorSubject();
    const { config } = openHonest(server, 1);
    const { results } = await runChecks({ ...subject, config }, { only: ofNetworks });
    expect(results.map(({ check, status }) => [check.id, status])).toEqual(
      ofNetworks.map((id) => [id, 'undeclared']),
    );
    expect(results[0]?.reason).toMatch(/^the plugin connects to something while it is read/);
  } finally {
    await server.close();
  }
});

test('one whose login fails for want of its source has connected all the same', async () => {
  const server = await startTestServer();
  const { config } = openHonest(server, 1);
  await server.close();
  const { open: _, ...subject } = connectorSubject();
  expect(await runCheck(checkOf(9), { ...subject, config })).toMatchObject({ status: 'undeclared' });
});

test('a connector that connects to nothing is skipped by itself', async () => {
  const { default: plugin } = await import('./sample-connector.ts');
  const module = import.meta.resolve('./sample-connector.ts');
  const { window } = connectorSubject();
  const { results } = await runChecks({ plugin, module, window }, { only: ofNetworks });
  expect(results.map(({ status }) => status)).toEqual(ofNetworks.map(() => 'skipped'));
});
