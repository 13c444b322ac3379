import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { secret } from '../secret.ts';
import { narrowed, type Schema } from './narrowed.ts';

function schemaOf(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { io: 'input' });
}

const compared = (was: z.ZodType, is: z.ZodType): string[] => narrowed(schemaOf(was), schemaOf(is));

const account = z.strictObject({ user: z.string(), password: secret() });
const base = z.strictObject({
  origin: z.url(),
  region: z.enum(['global', 'cn']).default('global'),
  perMinute: z.number().min(1).optional(),
  account,
  tokens: z.array(z.string()).optional(),
});

test.each<[string, z.ZodType]>([
  ['another optional key', base.extend({ more: z.string().optional() })],
  ['a key with a default', base.extend({ more: z.string().default('x') })],
  ['another choice', base.extend({ region: z.enum(['global', 'cn', 'eu']).default('global') })],
  ['a default where there was none', base.extend({ perMinute: z.number().min(1).default(60) })],
  ['any text instead of choices', base.extend({ region: z.string().default('global') })],
  ['no bound', base.extend({ perMinute: z.number().optional() })],
  ['a wider bound', base.extend({ perMinute: z.number().gt(0).optional() })],
  ['one more kind of value', base.extend({ perMinute: z.union([z.number(), z.string()]).optional() })],
  ['null as well', base.extend({ perMinute: z.number().nullish() })],
  ['a required key that may be left out', base.extend({ account: account.optional() })],
  ['another optional key inside', base.extend({ account: account.extend({ code: z.string().optional() }) })],
  ['any text instead of an address', base.extend({ origin: z.string() })],
  ['keys that nobody knows', z.looseObject(base.shape)],
  ['another way to give the same', base.extend({ account: z.union([z.string(), account]) })],
  ['the same in two halves', z.intersection(z.object(base.shape), z.object({}))],
])('%s narrows nothing', (_, is) => {
  expect(compared(base, is)).toEqual([]);
});

test.each<[string, z.ZodType, string]>([
  ['a key is gone', base.omit({ tokens: true }), 'config tokens is gone'],
  ['a key becomes required', base.required({ perMinute: true }), 'config perMinute is required, and was not'],
  ['a new key is required', base.extend({ more: z.string() }), 'config more is required, and was not'],
  [
    'a choice is gone',
    base.extend({ region: z.enum(['global']).default('global') }),
    'config region took {"type":"string","enum":["global","cn"]} and takes {"type":"string","enum":["global"]}',
  ],
  [
    'a bound is narrower',
    base.extend({ perMinute: z.number().gt(1).optional() }),
    'config perMinute took {"type":"number","minimum":1} and takes {"type":"number","exclusiveMinimum":1}',
  ],
  [
    'a key inside is required',
    base.extend({ account: account.extend({ code: z.string() }) }),
    'config account.code is required, and was not',
  ],
  [
    'a key inside is gone',
    base.extend({ account: account.omit({ user: true }) }),
    'config account.user is gone',
  ],
  [
    'a default is another one',
    base.extend({ region: z.enum(['global', 'cn']).default('cn') }),
    'config region is "global" unless given, and would be "cn"',
  ],
  [
    'a default is gone',
    base.extend({ region: z.enum(['global', 'cn']).optional() }),
    'config region is "global" unless given, and would not be there',
  ],
  [
    'a list of something else',
    base.extend({ tokens: z.array(z.number()).optional() }),
    'config tokens[] took {"type":"string"} and takes {"type":"number"}',
  ],
])('where %s, it is told by its path', (_, is, told) => {
  expect(compared(base, is)).toContain(told);
});

test('a default is compared at every depth, also beside a schema that is used twice', () => {
  const days = z.number().meta({ id: 'days' });
  const reading = (back: number) =>
    z.object({ also: days, sleep: z.object({ lookBackDays: days.default(back) }) });
  expect(compared(reading(14), reading(1))).toEqual([
    'config sleep.lookBackDays is 14 unless given, and would be 1',
  ]);
  expect(compared(reading(0), reading(0))).toEqual([]);
  const nothing = z.object({ days: z.number().nullable().default(null) });
  expect(compared(nothing, z.object({ days: z.number().nullable().default(1) }))).toEqual([
    'config days is null unless given, and would be 1',
  ]);
});

test('a key that becomes required is told once, not for its default as well', () => {
  const days = z.number();
  expect(compared(z.object({ days: days.default(14) }), z.object({ days }))).toEqual([
    'config days is required, and was not',
  ]);
});

test('a configuration that may be one of several is compared as a whole', () => {
  const token = z.strictObject({ token: z.string() });
  const password = z.strictObject({ user: z.string() });
  expect(compared(token, z.union([token, password]))).toEqual([]);
  expect(compared(z.union([token, password]), z.union([password, password]))).toMatchObject([
    expect.stringMatching(/^config took {.*"token".*} and takes /),
  ]);
});

test('keys that were ignored and are refused now are told', () => {
  const strict = z.strictObject({ a: z.string() });
  expect(compared(z.object({ a: z.string() }), strict)).toEqual(['config * is not taken any more']);
});

interface Tree {
  readonly left?: Tree | undefined;
  readonly name: string;
}

test('a schema that holds itself is compared to its end', () => {
  const tree: z.ZodType<Tree> = z.lazy(() => z.object({ left: tree.optional(), name: z.string() }));
  const numbered: z.ZodType = z.lazy(() => z.object({ left: numbered.optional(), name: z.number() }));
  expect(compared(z.object({ tree }), z.object({ tree }))).toEqual([]);
  expect(compared(z.object({ tree }), z.object({ tree: numbered }))).toEqual([
    'config tree.name took {"type":"string"} and takes {"type":"number"}',
  ]);
});

const { schema } = fc.letrec<{ schema: z.ZodType }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<z.ZodType>(z.boolean(), z.null(), z.literal('a'), z.enum(['a', 'b'])),
    fc
      .record({
        min: fc.option(fc.integer({ min: 0, max: 2 })),
        max: fc.option(fc.integer({ min: 1, max: 3 })),
      })
      .chain(({ min, max }) => {
        const string = z.string().min(min ?? 0);
        const number = min === null ? z.number() : z.number().min(min);
        return fc.constantFrom<z.ZodType>(
          max === null ? string : string.max(max),
          max === null ? number : number.lt(max),
          min === null ? z.int() : z.int().gt(min),
        );
      }),
    tie('schema').map((inner) => z.array(inner)),
    tie('schema').map((inner) => z.record(z.string(), inner)),
    fc.tuple(tie('schema'), tie('schema')).map(([a, b]) => z.union([a, b])),
    fc
      .dictionary(fc.constantFrom('a', 'b', 'c'), fc.tuple(tie('schema'), fc.boolean()), {
        noNullPrototype: true,
      })
      .map((keys) =>
        z.strictObject(
          Object.fromEntries(
            Object.entries(keys).map(([key, [inner, isOptional]]) => [
              key,
              isOptional ? inner.optional() : inner,
            ]),
          ),
        ),
      ),
  ),
}));
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(null, true, 'a', 'b', '', 'abcd', 0, 1, 2, 0.5, -1),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;

test('whatever the first takes the second takes, where nothing is told', () => {
  const fewChanges = fc
    .tuple(schema, schema, fc.boolean())
    .map(([a, b, same]) => [a, same ? z.union([b, a]) : b] as const);
  fc.assert(
    fc.property(fewChanges, fc.array(value, { minLength: 20, maxLength: 40 }), ([was, is], values) => {
      fc.pre(compared(was, is).length === 0);
      for (const one of values) if (was.safeParse(one).success) expect(is.safeParse(one).success).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('a schema narrows itself nowhere', () => {
  fc.assert(
    fc.property(schema, (one) => compared(one, one).length === 0),
    { numRuns: 500 },
  );
});
