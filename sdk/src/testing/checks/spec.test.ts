import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineConnector } from '../../connector.ts';
import type { JsonValue } from '../../json.ts';
import { secret } from '../../secret.ts';
import { checks } from './index.ts';
import { runCheck, type CheckResult } from '../run-checks.ts';
import type { ConnectorSubject } from '../subject.ts';
import { surfaceOf, type Surface } from '../surface.ts';

function pluginOf(config: z.ZodType, version: string) {
  return defineConnector({
    name: 'configured',
    version,
    description: 'A connector that is nothing but its configuration.',
    source: 'suite',
    config,
    login: async () => undefined,
    account: () => 'somebody',
    datasets: {},
  });
}

interface Told {
  readonly version?: string;
  readonly published?: Surface;
}

/** What becomes of a check of a plugin with this configuration. */
function checked(
  id: number,
  [schema, config]: readonly [z.ZodType, Readonly<Record<string, JsonValue>>],
  { version = '1.0.0', published }: Told = {},
): Promise<CheckResult> {
  const subject: ConnectorSubject = {
    plugin: pluginOf(schema, version),
    module: import.meta.url,
    config,
    window: { from: '2026-02-24', to: '2026-02-27' },
    ...(published && { published }),
  };
  return runCheck(
    checks.find((check) => check.id === id)!,
    subject,
  );
}

const credentials = z.strictObject({
  user: z.string().optional(),
  password: secret().optional(),
  token: secret().optional(),
});
const byPassword = { user: 'ann', password: 'correct-horse' };
const either = credentials.refine(
  ({ user, password, token }) => token !== undefined || (user !== undefined && password !== undefined),
  'expected token, or user and password',
);
const together = credentials.refine(
  ({ user, password }) => (user === undefined) === (password === undefined),
  'incomplete',
);

test.each([
  ['stands for others, and the refusal says which', [either, byPassword]],
  ['stands for others, and another way was chosen', [either, { token: 'a-token-of-ann' }]],
  ['goes with another one', [together, byPassword]],
] as const)('check 3 takes an optional key that %s', async (_, given) => {
  expect(await checked(3, given)).toMatchObject({ status: 'passed' });
});

test('check 3 tells an optional key whose refusal does not say what to give instead', async () => {
  const nameless = credentials.refine(({ token, user }) => token ?? user, 'user is missing');
  const { status, reason } = await checked(3, [nameless, byPassword]);
  expect(status).toBe('failed');
  expect(reason).toMatch(/^Expected a configuration without the optional user to be taken, or refused by/);
});

const union = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('token'), token: secret(), region: z.string().default('eu') }),
  z.strictObject({ kind: z.literal('none') }),
]);

test.each([1, 2, 3, 4])('check %i takes a configuration that is one of several objects', async (id) => {
  for (const config of [{ kind: 'none' }, { kind: 'token', token: 'a-token', region: 'cn' }])
    expect(await checked(id, [union, config])).toMatchObject({ status: 'passed' });
});

test('check 1 tells a configuration that may be no object', async () => {
  const { status, reason } = await checked(1, [z.union([union, z.string()]), { kind: 'none' }]);
  expect(status).toBe('failed');
  expect(reason).toBe(
    'Expected the configuration to be an object, or one of several, got object or object or string',
  );
});

test('check 4 tells a secret of one of several configurations', async () => {
  const careless = z.union([union, z.strictObject({ apiKey: z.string() })]);
  const { status, reason } = await checked(4, [careless, { kind: 'none' }]);
  expect(status).toBe('failed');
  expect(reason).toMatch(/^Expected config apiKey to be marked/);
});

const was = z.strictObject({ user: z.string().optional(), code: z.string().optional() });
const is = was.omit({ code: true });
const publishedAs = (version: string): Told['published'] => surfaceOf(pluginOf(was, version), []);

test.each([
  ['1.0.0', '2.0.0'],
  ['0.1.0', '0.2.0'],
])('check 5 lets %s break its promises in %s, and says which', async (before, version) => {
  expect(await checked(5, [is, {}], { version, published: publishedAs(before)! })).toMatchObject({
    status: 'skipped',
    reason: `${version} may break what ${before} promised: config code is gone`,
  });
});

test.each([
  ['1.0.0', '1.1.0', '2.0.0'],
  ['0.1.0', '0.1.1', '0.2.0'],
])('check 5 tells what %s promised and %s breaks, and that %s may', async (before, version, remedy) => {
  expect(await checked(5, [is, {}], { version, published: publishedAs(before)! })).toMatchObject({
    status: 'failed',
    reason: `Expected ${version} to keep everything ${before} promised, but: config code is gone. Keep it, or make a version that warns, ${remedy} at least`,
  });
});

test('check 5 passes a new major version that keeps every promise', async () => {
  const told = { version: '2.0.0', published: publishedAs('1.0.0')! };
  expect(await checked(5, [was, {}], told)).toMatchObject({ status: 'passed' });
});
