import fc from 'fast-check';
import { ConnectorError } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { never, startServer, type Reply } from '../test/server.ts';
import { openSession } from '../test/session.ts';
import { dayMarks, lastChange } from './changes.ts';

const window = { from: '2031-03-01', to: '2031-03-08' };

async function sessionOf(reply: Reply) {
  const server = await startServer(() => reply);
  return { server, session: openSession(server.origin) };
}

const times: [string, Reply, string | undefined][] = [
  ['the time of the last sync', { json: { lastUsedDeviceUploadTime: 1_930_000_000_000 } }, '1930000000000'],
  ['404', { status: 404, json: {} }, undefined],
  ['an empty body', { status: 204 }, undefined],
  ['an answer without the time', { json: { lastUsedDeviceUploadTime: null } }, undefined],
];

test.each(times)('the last change is known or not: %s', async (_, reply, expected) => {
  const { session } = await sessionOf(reply);
  expect(await lastChange(session, never)).toBe(expected);
});

test('without the phone app’s credential neither is asked', async () => {
  const server = await startServer();
  const session = openSession(server.origin, { has: ['personal'] });
  expect(await lastChange(session, never)).toBeUndefined();
  expect(await dayMarks(session, window, never)).toEqual({});
  expect(server.seen).toEqual([]);
});

test.each([
  [
    'values under a name',
    (steps: number) => ({ calendarDate: '2031-03-02', values: { totalSteps: steps, b: 1 } }),
  ],
  ['flat rows', (steps: number) => ({ calendarDate: '2031-03-02', totalSteps: steps, b: 1 })],
])('a mark differs when the day does, and only then: %s', async (_, row) => {
  const marks = async (json: unknown) => dayMarks((await sessionOf({ json })).session, window, never);
  const before = await marks([row(1)]);
  expect(Object.keys(before)).toEqual(['2031-03-02']);
  expect(await marks({ rows: [Object.fromEntries(Object.entries(row(1)).toReversed())] })).toEqual(before);
  expect(await marks([row(2)])).not.toEqual(before);
});

test('28 days are one request, and days outside the window have no mark', async () => {
  const { server, session } = await sessionOf({
    json: [{ calendarDate: '2031-02-01' }, { calendarDate: '2031-03-28' }],
  });
  const marks = await dayMarks(session, { from: '2031-03-01', to: '2031-03-29' }, never);
  expect(Object.keys(marks)).toEqual(['2031-03-28']);
  expect(server.asked()).toEqual(['/usersummary-service/stats/daily/2031-03-01/2031-03-28']);
});

test('a rate limit comes through', async () => {
  const { session } = await sessionOf({ status: 429, json: {} });
  await expect(dayMarks(session, window, never)).rejects.toMatchObject({ code: 'rate_limited' });
  await expect(lastChange(session, never)).rejects.toMatchObject({ code: 'rate_limited' });
});

test('whatever Garmin answers, there are marks or a ConnectorError', async () => {
  let json: unknown;
  const server = await startServer(() => ({ json }));
  const session = openSession(server.origin);
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), async (value) => {
      json = value;
      const result = await dayMarks(session, window, never).catch((error: unknown) => error);
      expect(ConnectorError.is(result) || typeof result === 'object').toBe(true);
      if (result instanceof Error) expect(ConnectorError.is(result)).toBe(true);
    }),
    { numRuns: 60 },
  );
});
