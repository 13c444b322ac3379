import { expect, test } from 'vitest';
import { startServer, type Handler, type Seen } from '../../test/server.ts';
import { openSession, readFrom } from '../../test/session.ts';

const day = { from: '2031-03-05', to: '2031-03-06' };
const profilePath = '/userprofile-service/socialProfile';
const summary = { totalSteps: 5, includesWellnessData: true };

/** An account whose name is the second by now; the first is refused as `refusal` says. */
function renamed(refusal: (seen: Seen) => ReturnType<Handler>, profile: unknown): Handler {
  return (seen) => {
    if (seen.path === profilePath) return { json: profile };
    return seen.path.includes('second') ? { json: summary } : refusal(seen);
  };
}

const now = { displayName: 'second', profileId: 4711 };
const count = (seen: readonly Seen[], part: string) => seen.filter(({ path }) => path.includes(part)).length;

test.each([
  ['403', { status: 403, json: {} }],
  ['hidden values', { json: { privacyProtected: true, totalSteps: null } }],
])('a name that has changed is read once, and asked with from then on: %s', async (_, refusal) => {
  const server = await startServer(renamed(() => refusal, now));
  const session = openSession(server.origin);
  expect(await readFrom(session, 'user_summary', day)).toMatchObject([{ data: summary }]);
  expect(await readFrom(session, 'user_summary', day)).toHaveLength(1);
  expect(count(server.seen, profilePath)).toBe(1);
  expect(count(server.seen, 'run%20ner')).toBe(1);
});

test('403 although the name is right is forbidden, and the profile is read once', async () => {
  const profile = { displayName: 'run ner', profileId: 4711 };
  const server = await startServer(renamed(() => ({ status: 403, json: {} }), profile));
  const session = openSession(server.origin);
  for (const dataset of ['user_summary', 'sleep', 'heart_rate']) {
    await expect(readFrom(session, dataset, day)).rejects.toMatchObject({
      code: 'not_supported',
      status: 403,
    });
  }
  expect(count(server.seen, profilePath)).toBe(1);
});

test('403 under a path without the name does not ask for the profile', async () => {
  const server = await startServer(renamed(() => ({ status: 403, json: {} }), now));
  await expect(readFrom(openSession(server.origin), 'stress', day)).rejects.toMatchObject({ status: 403 });
  expect(count(server.seen, profilePath)).toBe(0);
});

test.each([
  ['values that stay hidden', { displayName: 'run ner', profileId: 4711 }],
  ['another account', { displayName: 'second', profileId: 1 }],
])('%s end the run', async (_, profile) => {
  const hidden = { json: { privacyProtected: true, totalSteps: null } };
  const server = await startServer(renamed(() => hidden, profile));
  await expect(readFrom(openSession(server.origin), 'user_summary', day)).rejects.toMatchObject({
    code: 'auth',
  });
});

test('a profile that could not be read is asked for again', async () => {
  let isDown = true;
  const server = await startServer((seen) =>
    seen.path === profilePath && isDown
      ? { status: 503, json: {} }
      : renamed(() => ({ status: 403, json: {} }), now)(seen),
  );
  const session = openSession(server.origin);
  await expect(readFrom(session, 'user_summary', day)).rejects.toMatchObject({ code: 'transient' });
  isDown = false;
  expect(await readFrom(session, 'user_summary', day)).toHaveLength(1);
});

test('without a name the segment is left out', async () => {
  const server = await startServer(() => ({ json: summary }));
  const session = openSession(server.origin, { profile: { displayName: undefined } });
  await readFrom(session, 'user_summary', day);
  expect(server.asked()).toEqual(['/usersummary-service/usersummary/daily?calendarDate=2031-03-05']);
});
