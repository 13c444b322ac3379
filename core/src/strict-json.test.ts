import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseStrictJson, type JsonSpan, type StrictJson } from './strict-json.ts';

const parse = (text: string, maxDepth = 66): StrictJson => parseStrictJson(text, { maxDepth });

/** What JSON.parse says: the value, or undefined for what is not JSON. */
function byEngine(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** JSON text as people and programs write it, and not only as JSON.stringify does. */
const { document } = fc.letrec<{ document: string }>((tie) => {
  const space = fc.constantFrom('', '', '', ' ', '\n', '\t ', '\r\n');
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
    fc.stringMatching(/^-?(0|[1-9]\d{0,24})(\.\d{1,24})?([eE][+-]?\d{1,2})?$/),
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }).map((value) => JSON.stringify(value.toWellFormed())),
    fc.stringMatching(/^"(\\["\\/bfnrt]|\\u00[2-7]\d|\\ud83d\\ude0[0-9a-f]|[ -!#-[\]-~é]){0,12}"$/),
  );
  const inner = tie('document');
  const around = (parts: fc.Arbitrary<string[]>, open: string, close: string) =>
    fc.tuple(parts, space).map(([all, gap]) => `${open}${gap}${all.join(`${gap},`)}${gap}${close}`);
  const member = fc.tuple(text, space, inner).map(([name, gap, value]) => `${name}${gap}:${gap}${value}`);
  return {
    document: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(fc.constantFrom('true', 'false', 'null'), number, text),
      around(fc.array(inner, { maxLength: 5 }), '[', ']'),
      around(fc.array(member, { maxLength: 5 }), '{', '}'),
    ),
  };
});

/** The text with something put in, taken out, or put elsewhere. */
const mutated = fc
  .tuple(
    document,
    fc.nat(),
    fc.nat(),
    fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '0', 'e', '\0', '\ud800', 'n', '-'),
  )
  .map(([text, at, length, put]) => {
    const start = at % (text.length + 1);
    return text.slice(0, start) + put + text.slice(start + (length % 3));
  });

describe('the verdict on well-formedness', () => {
  test('and the value are those of JSON.parse', () => {
    fc.assert(
      fc.property(fc.oneof(document, mutated), (text) => {
        const engine = byEngine(text);
        const found = parse(text);
        if (!engine) expect(found).toEqual({ kind: 'malformed' });
        else {
          expect(found.kind).not.toBe('malformed');
          if (found.kind !== 'malformed') expect(found.value).toEqual(engine.value);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('comes before everything else: what is not JSON and too deep is not JSON', () => {
    for (const text of [
      '['.repeat(100_000),
      '{"a":'.repeat(5000),
      `${'['.repeat(100)}"\\u0000"`,
      '{"a":1,"a":1e400',
    ])
      expect(parse(text)).toEqual({ kind: 'malformed' });
  });
});

describe('JSON that cannot be stored as it is', () => {
  const pair = '\\ud83d\\ude00';
  test.each<[string, string, (string | number)[], RegExp]>([
    ['a name twice', '{"a":{"b":1,"c":2,"b":1}}', ['a', 'b'], /twice/],
    ['a name twice, written in two ways', '{"ab":1,"\\u0061b":1}', ['ab'], /twice/],
    ['an empty name twice', '[{"":1,"":2}]', [0, ''], /twice/],
    ['NUL in a value', '{"a":[1,"x\\u0000y"]}', ['a', 1], /NUL/],
    ['NUL in a name', '{"a\\u0000":1}', ['a\0'], /NUL/],
    ['the first half of a pair', '["\\ud800"]', [0], /surrogate/],
    ['the second half of a pair', '["\\udc00"]', [0], /surrogate/],
    ['a pair the wrong way round', '["\\udd1e\\ud834"]', [0], /surrogate/],
    ['a half in a name', '{"\\uD8AB":1}', ['\ud8ab'], /surrogate/],
    ['a half that is not escaped', '["\ud800"]', [], /surrogate/],
    ['a half after a pair', `["${pair}\\ud83d"]`, [0], /surrogate/],
    ['__proto__ as a name', '{"a":[{"__proto__":{"isAdmin":true}}]}', ['a', 0, '__proto__'], /__proto__/],
    ['__proto__, escaped', '{"\\u005f_proto__":1}', ['__proto__'], /__proto__/],
    [
      'a constructor with a prototype',
      '{"constructor":{"x":1,"prototype":0}}',
      ['constructor', 'prototype'],
      /prototype/,
    ],
    ['a number no double reaches', '{"v":1e400}', ['v'], /double/],
    ['the same below zero', '{"v":[[-1e309]]}', ['v', 0, 0], /double/],
    ['the same written out', `[1${'0'.repeat(309)}]`, [0], /double/],
    ['a number by itself', '1E+9999', [], /double/],
    ['more digits after the point than numeric has', '[1e-16384]', [0], /16383 digits/],
    ['the same written out', `[0.${'0'.repeat(16_383)}1]`, [0], /16383 digits/],
    ['zero with too many digits', '[0e-16384]', [0], /16383 digits/],
    ['zero with an exponent of its own kind', '[0e1073741823]', [0], /exponent/],
  ])('%s', (_name, text, path, found) => {
    expect(parse(text)).toMatchObject({
      kind: 'unstorable',
      path,
      found: expect.stringMatching(found) as unknown,
    });
  });

  test('nesting deeper than the limit, however deep', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parse(nested(66)).kind).toBe('json');
    expect(parse(`${'{"a":'.repeat(66)}1${'}'.repeat(66)}`).kind).toBe('json');
    for (const depth of [67, 6000, 500_000]) {
      const found = parse(nested(depth));
      expect(found).toMatchObject({ kind: 'unstorable', found: 'nesting of more than 66 levels' });
      expect(parseStrictJson(nested(depth), { maxDepth: 66, outerDepth: 2 })).toMatchObject({
        found: 'nesting of more than 64 levels',
      });
    }
    expect(parse(`[${nested(65)},${nested(65)}]`).kind).toBe('json');
  });

  test.each([
    '"a\\\\u0000b"',
    '"\\\\ud800"',
    '{"constructor":{"a":{"prototype":1}}}',
    '{"prototype":{"constructor":1}}',
    '{"constructor":["prototype"]}',
    '["constructor",{"prototype":1}]',
    '{"x":"__proto__"}',
    '[{"a":1},{"a":1}]',
    '{"a":{"a":{"a":1}}}',
    '{"a":"a","b":["a"]}',
    '["\\ud83d\\ude00","😀","\\u0001","\\uffff"]',
    '[1e308,-1e308,1e-400,5e-324,1e-16383,0e400,-0,-0.0,0.10]',
    `[0.${'0'.repeat(400)}1e401]`,
    ' null ',
  ])('is not %s', (text) => {
    expect(parse(text)).toMatchObject({ kind: 'json', value: JSON.parse(text) as unknown });
  });

  test('is told in words that quote nothing of it', () => {
    const found = parse('{"private":"4111\\u0000"}');
    if (found.kind !== 'unstorable') throw new Error('expected it to be refused');
    expect(found.found).not.toMatch(/private|4111/);
  });
});

describe('where members stand', () => {
  const slices = (text: string, members: ReadonlyMap<string, JsonSpan> | undefined) =>
    [...(members ?? [])].map(([name, { start, end }]) => [name, text.slice(start, end)]);

  test('is told of the outermost object and of the objects in it', () => {
    const text = ' { "a" : 1.10 ,"b":{ "x" : [1, {"y":2}] ,"z":"}\\"" }\n, "c" : {} ,"d":[{}],"e":null }';
    const found = parse(text);
    if (found.kind !== 'json') throw new Error('expected JSON');
    expect(slices(text, found.members)).toEqual([
      ['a', '1.10'],
      ['b', '{ "x" : [1, {"y":2}] ,"z":"}\\"" }'],
      ['c', '{}'],
      ['d', '[{}]'],
      ['e', 'null'],
    ]);
    expect(slices(text, found.members?.get('b')?.members)).toEqual([
      ['x', '[1, {"y":2}]'],
      ['z', '"}\\""'],
    ]);
    expect(found.members?.get('c')?.members?.size).toBe(0);
    expect(['a', 'd', 'e'].map((name) => found.members?.get(name)?.members)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('gives the text of each member of any object', () => {
    fc.assert(
      fc.property(document, (text) => {
        const found = parse(text);
        if (found.kind !== 'json') return;
        const isObject =
          typeof found.value === 'object' && found.value !== null && !Array.isArray(found.value);
        expect(found.members !== undefined).toBe(isObject);
        const read = slices(text, found.members).map(([name, part]) => [name, JSON.parse(part!)]);
        if (isObject) expect(Object.fromEntries(read)).toEqual(found.value);
        for (const [, part] of slices(text, found.members)) expect(part).toBe(part!.trim());
      }),
      { numRuns: 500 },
    );
  });
});

test('numbers that their doubles do not hold are told', () => {
  const exact = (text: string) => {
    const found = parse(text);
    return found.kind === 'json' && found.exact;
  };
  for (const text of [
    '1.0',
    '-0',
    '1e2',
    '0.1',
    '1e23',
    '9007199254740992',
    '5e-324',
    '[100.00]',
    '"9007199254740993"',
  ])
    expect(exact(text), text).toBe(true);
  for (const text of [
    '9007199254740993',
    '{"a":[0.10000000000000001]}',
    '1e-400',
    '123456789012345678901234567890',
  ])
    expect(exact(text), text).toBe(false);
});

describe('time grows with the length of the text and no faster', () => {
  // Each takes milliseconds when linear; the quadratic way takes minutes.
  const million = 1_000_000;
  test.each([
    ['a long string', JSON.stringify({ v: 'a'.repeat(million) })],
    ['escaped quotes', JSON.stringify('"'.repeat(million / 2))],
    ['backslashes', JSON.stringify('\\'.repeat(million / 2))],
    ['short strings before the only escape', JSON.stringify([...Array<string>(million / 5).fill('a'), '\\'])],
    ['strings with escapes', JSON.stringify(Array<string>(million / 10).fill('a\n'))],
    ['members', `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":${index}`).join()}}`],
    ['long numbers', `[${'0.12345678901234567890123,'.repeat(40_000)}1]`],
    ['digits', `[0.${'1'.repeat(million)}]`],
    ['white space', `${' '.repeat(million)}1${' '.repeat(million)}`],
    ['open brackets', '['.repeat(million)],
  ])('%s', { timeout: 5000 }, (_name, text) => {
    expect(['json', 'malformed', 'unstorable']).toContain(parse(text).kind);
  });
});
