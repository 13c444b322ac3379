import { expect, test } from 'vitest';
import { checks } from './checks/index.ts';
import { connectorSubject, liars } from './liars/index.ts';
import { openHonest } from './liars/honest-source.ts';
import { runCheck } from './run-checks.ts';
import type { ConnectorSubject, Subject } from './subject.ts';

function resultOf(id: number, subject: Subject) {
  return runCheck(
    checks.find((check) => check.id === id)!,
    subject,
  );
}

function liar(lie: string): Subject {
  return liars.find((one) => one.lie === lie)!.subject;
}

test.each([11, 27, 28, 29, 30, 31, 32])(
  'check %i leaves out a dataset that is made of what the login said',
  async (id) => {
    const { status, reason } = await resultOf(id, connectorSubject('a dataset made of what the login said'));
    expect(status, reason).toBe('passed');
  },
);

test('a dataset without a time-out is told by check 27, with what to do, and by neither 11 nor 28', async () => {
  // Far from the two seconds after which the other datasets give up, also on a busy machine.
  const subject = { ...liar('27 another dataset without a time-out'), timeLimitMs: 6000 } as ConnectorSubject;
  const results = await Promise.all([27, 11, 28].map((id) => resultOf(id, subject)));
  expect(results.map(({ status }) => status)).toEqual(['failed', 'passed', 'passed']);
  expect(results[0]?.reason).toMatch(/time-out .* for notes, got no end within 6000 ms: set a time-out/);
});

test('a save that nobody waits for is told as one that comes too late, not as one that is missing', async () => {
  const { reason } = await resultOf(32, liar('32 a save that nobody waits for'));
  expect(reason).toMatch(/saved only after it while steps was read: await tokens.save/);
});

test('a renewal for each dataset is told with the number of them', async () => {
  const { reason } = await resultOf(31, liar('31 a renewal for each dataset'));
  expect(reason).toMatch(
    /^Expected one renewal for 50 calls, of all datasets at once, .* got \d+: let them all wait/,
  );
});

test('a subject that calls every request a sign-in is told so, since no fault meets anything', async () => {
  const { reason } = await resultOf(27, {
    ...connectorSubject(),
    open: (server, account) => ({ ...openHonest(server, account), isSignIn: () => true }),
  });
  expect(reason).toMatch(/isSignIn/);
});
