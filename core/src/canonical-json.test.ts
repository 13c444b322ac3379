import { rawJson, type JsonValue, type RawJson } from '@on-the-way/sdk';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, maxDepth } from './canonical-json.ts';

const json = fc.jsonValue({ maxDepth: 5 }) as fc.Arbitrary<JsonValue>;
const raw = (text: string): string => canonicalJson(rawJson(text));

/** The same value with the members of every object in another order. */
function reordered(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reordered(member as JsonValue)]),
  );
}

describe('canonical text (RFC 8785)', () => {
  test('is that of the RFC for its example', () => {
    const text = String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`;
    const canonical = String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`;
    expect(canonicalJson(JSON.parse(text) as JsonValue)).toBe(canonical);
  });

  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
  ])('writes the double %s as the RFC does: %s', (bits, text) => {
    expect(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE())).toBe(text);
  });

  // Inputs and outputs of the test data that belongs to the RFC (its appendix names them).
  test.each([
    ['arrays', '[56,{"d":true,"10":null,"1":[]}]', '[56,{"1":[],"10":null,"d":true}]'],
    [
      'french',
      '{"peach":"a","p\u00e9ch\u00e9":"b","p\u00eache":"c","sin":"d"}',
      '{"peach":"a","p\u00e9ch\u00e9":"b","p\u00eache":"c","sin":"d"}',
    ],
    [
      'structures',
      '{"1":{"f":{"f":"hi","F":5},"\\n":56.0},"10":{},"":"empty","a":{},"111":[{"e":"yes","E":"no"}],"A":{}}',
      '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
    ],
    ['unicode', '{"Unnormalized Unicode":"A\u030a"}', '{"Unnormalized Unicode":"A\u030a"}'],
    [
      'weird',
      '{"\u20ac":"a","\\r":"b","\\n":"c","1":"d","\u0080":"e\u007f","\ud83d\ude02":"f","\u00f6":"g","\ufb33":"h","</script>":"i"}',
      '{"\\n":"c","\\r":"b","1":"d","</script>":"i","\u0080":"e\u007f","\u00f6":"g","\u20ac":"a","\ud83d\ude02":"f","\ufb33":"h"}',
    ],
  ])('is that of the test data of the RFC: %s', (_name, text, canonical) => {
    expect(canonicalJson(JSON.parse(text) as JsonValue)).toBe(canonical);
    expect(raw(text)).toBe(canonical);
  });

  test('is that of the reference library, for whatever names and values', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.nat({ max: 120 }).map(String),
      fc.constantFrom('__proto__', 'toJSON', 'constructor', '-1', '01', '4294967295', '1e3', ''),
    );
    const { value: any } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.string({ unit: 'binary', maxLength: 8 }).map((text) => text.toWellFormed()),
        fc.constantFrom(null, true, false, -0, 1e21, 'é"\\\n'),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.uniqueArray(fc.tuple(name, tie('value')), { maxLength: 5, selector: ([key]) => key }).map(
          // As JSON.parse has it: __proto__ is a name like any other.
          (members) =>
            JSON.parse(
              `{${members.map(([key, member]) => `${JSON.stringify(key.toWellFormed())}:${JSON.stringify(member)}`).join()}}`,
            ) as JsonValue,
        ),
      ),
    }));
    fc.assert(
      fc.property(any, (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
      { numRuns: 500 },
    );
  });

  test('orders members by the UTF-16 units of their names', () => {
    const members = {
      '\u20ac': 1,
      '\r': 2,
      '\ufb33': 3,
      '1': 4,
      '\ud83d\ude00': 5,
      '\u0080': 6,
      '\u00f6': 7,
    };
    expect(Object.values(JSON.parse(canonicalJson(members)) as object).length).toBe(7);
    expect(canonicalJson(members)).toBe(
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
    );
    expect(canonicalJson({ b: 1, a: 2, aa: 3, A: 4, 10: 5, 9: 6 })).toBe(
      '{"10":5,"9":6,"A":4,"a":2,"aa":3,"b":1}',
    );
  });

  test('orders the members of each object of a list by itself, and writes what JSON escapes', () => {
    const list = [
      { b: 1, a: -0 },
      { b: 2, a: 3 },
      { a: 4, b: 5 },
      { b: 6, c: 7 },
      { b: 8 },
      { c: { b: 9, a: '' } },
    ];
    expect(canonicalJson(list)).toBe(
      '[{"a":0,"b":1},{"a":3,"b":2},{"a":4,"b":5},{"b":6,"c":7},{"b":8},{"c":{"a":"","b":9}}]',
    );
    for (let unit = 0; unit <= 0xffff; unit += 1) {
      const text = `x${String.fromCharCode(unit)}`;
      if (canonicalJson(text) !== JSON.stringify(text))
        expect(canonicalJson(text)).toBe(JSON.stringify(text));
    }
  });

  test('says the same as the value it was made from', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('is the same for members in another order and after a way through JSON', () => {
    fc.assert(
      fc.property(json, (value) => {
        const canonical = canonicalJson(value);
        expect(canonicalJson(reordered(value))).toBe(canonical);
        expect(canonicalJson(JSON.parse(JSON.stringify(value)) as JsonValue)).toBe(canonical);
        expect(canonicalJson(JSON.parse(canonical) as JsonValue)).toBe(canonical);
      }),
    );
  });

  test('is different for different values', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const same = JSON.stringify(reordered(a)) === JSON.stringify(reordered(b));
        if (same) expect(canonicalJson(a)).toBe(canonicalJson(b));
        if (canonicalJson(a) === canonicalJson(b)) {
          expect(JSON.parse(JSON.stringify(a))).toEqual(JSON.parse(JSON.stringify(b)));
        }
      }),
    );
    const unlike: JsonValue[] = [
      null,
      'null',
      0,
      '0',
      false,
      '',
      [],
      {},
      [null],
      [[]],
      { a: null },
      ['a', null],
    ];
    expect(new Set(unlike.map(canonicalJson)).size).toBe(unlike.length);
  });

  test('leaves out members that are undefined and writes holes and undefined in arrays as null', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    // oxlint-disable-next-line no-sparse-arrays
    expect(canonicalJson([1, , 2] as unknown as JsonValue)).toBe('[1,null,2]');
    expect(canonicalJson([undefined] as unknown as JsonValue)).toBe('[null]');
  });

  test('keeps a member called __proto__', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":{"a":1},"b":2}') as JsonValue)).toBe(
      '{"__proto__":{"a":1},"b":2}',
    );
    expect(raw('{"b":2,"__proto__":{"a":1}}')).toBe('{"__proto__":{"a":1},"b":2}');
  });

  test('is made of objects without a prototype too', () => {
    expect(canonicalJson(Object.assign(Object.create(null), { b: 1, a: 2 }) as JsonValue)).toBe(
      '{"a":2,"b":1}',
    );
  });
});

describe('raw JSON', () => {
  test('that doubles can hold has the canonical text of its value', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 2), (value, indent) => {
        expect(raw(JSON.stringify(value, null, indent))).toBe(canonicalJson(value));
      }),
    );
  });

  test.each([
    [['1', '1.0', '1e0', '10e-1', '0.1E1', '1.000', '100e-2', '1E+0']],
    [['100', '1e2', '1E+2', '100.0', '0.1e3']],
    [['0', '-0', '0.0', '-0.0', '0e5', '0E-5', '-0.000e9']],
    [['0.1', '1e-1', '0.10', '10e-2']],
    [['1e23', '100000000000000000000000', '1.0e23', '1e+23']],
    [['9007199254740993', '9007199254740993.0', '9.007199254740993e15', '90071992547409930e-1']],
    [['-1e400', '-10e399', '-0.1e401', '-1E+400']],
    [['1e-400', '0.1e-399', '10e-401']],
  ])('writes one number one way: %j', (texts) => {
    expect(new Set(texts.map(raw))).toEqual(new Set([raw(texts[0]!)]));
  });

  test('tells numbers apart that one double stands for', () => {
    const apart = [
      ['9007199254740992', '9007199254740993', '9007199254740994'],
      ['-9007199254740992', '-9007199254740993'],
      ['0.1', '0.1000000000000000055511151231257827021181583404541015625', '0.10000000000000001'],
      ['1e400', '1e401', '-1e400', '1e308'],
      ['1e-400', '0', '1e-401', '5e-324'],
      ['123456789012345678901234567890', '123456789012345678901234567891'],
    ];
    for (const texts of apart) expect(new Set(texts.map(raw)).size, texts.join()).toBe(texts.length);
  });

  test('keeps every digit of a number no double holds', () => {
    expect(raw('9007199254740993')).toBe('9007199254740993e0');
    expect(raw('-12345678901234567890.120')).toBe('-1234567890123456789012e-2');
    expect(raw('[1e400,{"n":-1E-400}]')).toBe('[1e400,{"n":-1e-400}]');
    expect(raw('{"2":1, "10":[ 1.5,33.333333333333336 , 9007199254740993]}')).toBe(
      '{"10":[1.5,33.333333333333336,9007199254740993e0],"2":1}',
    );
  });

  test('writes decimals of any length one way, however they are written', () => {
    const digits = fc.stringMatching(/^[1-9]\d{0,40}$/);
    fc.assert(
      fc.property(
        digits,
        fc.integer({ min: 0, max: 400 }),
        fc.integer({ min: 0, max: 9 }),
        (whole, exponent, zeros) => {
          const padded = `${whole}.${'0'.repeat(zeros + 1)}e${exponent}`;
          const longer = `${whole}${'0'.repeat(zeros)}e${exponent - zeros}`;
          expect(raw(padded)).toBe(raw(longer));
          expect(raw(padded)).not.toBe(raw(`${whole}1e${exponent}`));
          expect(raw(`-${padded}`)).toBe(`-${raw(padded)}`);
        },
      ),
    );
  });

  test('never equals a string of the same digits', () => {
    expect(raw('9007199254740993')).not.toBe(raw('"9007199254740993e0"'));
    expect(raw('9007199254740993')).not.toBe(canonicalJson('9007199254740993e0'));
  });

  test('counts the last of two members of one name, as JSON.parse does', () => {
    expect(raw('{"a":1,"a":9007199254740993}')).toBe('{"a":9007199254740993e0}');
    expect(raw('{"a":9007199254740993,"a":1}')).toBe('{"a":1}');
  });

  test('inside a value is refused, since the value as a whole would be stored otherwise', () => {
    expect(() => canonicalJson({ inner: rawJson('1') as unknown as JsonValue })).toThrow(/raw JSON/);
  });
});

function nested(depth: number): JsonValue {
  let value: JsonValue = [];
  for (let level = 1; level < depth; level += 1) value = level % 2 ? { a: value } : [value];
  return value;
}

describe('what JSON cannot hold is bad_data', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  const derived: unknown = Object.create(Object.create(null) as object);
  test.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['undefined', undefined],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['bytes', new Uint8Array(2)],
    ['an instance', new (class Point {})()],
    ['an object of unknown descent', derived],
    ['a cycle', cycle],
  ])('%s, by itself and inside', (_name, value) => {
    for (const data of [value, { a: value }, [[value]]]) {
      // A member that is undefined is a member left out, and undefined in an array is null.
      if (value === undefined && data !== undefined) continue;
      expect(() => canonicalJson(data as JsonValue)).toThrow(expect.objectContaining({ code: 'bad_data' }));
    }
  });

  test('nesting beyond the limit', () => {
    expect(canonicalJson(nested(maxDepth))).toHaveLength(JSON.stringify(nested(maxDepth)).length);
    const tooDeep: (JsonValue | RawJson)[] = [
      nested(maxDepth + 1),
      nested(100_000),
      rawJson(JSON.stringify(nested(maxDepth + 1))),
      rawJson('['.repeat(200_000) + ']'.repeat(200_000)),
    ];
    for (const data of tooDeep) {
      expect(() => canonicalJson(data)).toThrow(expect.objectContaining({ code: 'bad_data' }));
    }
  });

  test('nesting, whatever the names and numbers within are', () => {
    for (const [depth, isTaken] of [
      [maxDepth - 1, true],
      [maxDepth, true],
      [maxDepth + 1, false],
    ] as const) {
      for (const inner of ['1', '{"1":2}', '12345678901234567890', '[]']) {
        // What is innermost is a level of its own when it holds something.
        const levels = depth - (/^[[{]/.test(inner) ? 1 : 0);
        const text = `${'['.repeat(levels)}${inner}${']'.repeat(levels)}`;
        if (isTaken) expect(raw(text).length).toBeGreaterThan(depth);
        else expect(() => raw(text)).toThrow(/deeper/);
      }
    }
  });

  test('half a character in raw JSON', () => {
    expect(() => raw('{"a":"\ud83d"}')).toThrow(expect.objectContaining({ code: 'bad_data' }));
    expect(raw('{"a":"\ud83d\ude00"}')).toBe('{"a":"\ud83d\ude00"}');
  });

  test('and the message shows nothing of the data', () => {
    expect(() => canonicalJson({ secret: new Date(0) } as unknown as JsonValue)).not.toThrow(/1970|secret/);
  });
});

describe('time grows with the size of the text and no faster', () => {
  // Each takes milliseconds when linear; the quadratic way takes minutes.
  test.each([
    ['zeros inside a number', `1${'0'.repeat(400_000)}1`],
    ['zeros that end a number', `1${'0'.repeat(400_000)}`],
    ['zeros after the point', `0.${'0'.repeat(400_000)}1`],
    ['many long numbers', `[${`1${'0'.repeat(2000)}1,`.repeat(200)}0]`],
    ['many members', `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":${index}`).join()}}`],
    ['a long text', JSON.stringify('a"\\\u0001'.repeat(200_000))],
  ])('%s', { timeout: 5000 }, (_name, text) => {
    expect(raw(text).length).toBeGreaterThan(0);
  });
});
