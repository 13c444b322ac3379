import fc from 'fast-check';
import { expect, test } from 'vitest';
import { elementsOf } from './elements.ts';

test('elements are as they were written, whatever is in them', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom('', ' ', '\n\t'), (values, space) => {
      const texts = values.map((value) => JSON.stringify(value, null, space === '' ? 0 : 1));
      const text = `${space}[${space}${texts.join(`${space},${space}`)}${space}]${space}`;
      expect(elementsOf(text)).toEqual(texts);
    }),
    { numRuns: 500 },
  );
});

test('brackets, commas, quotes and backslashes in strings end nothing', () => {
  const texts = [
    '"a,]}"',
    String.raw`"\\"`,
    String.raw`"\",["`,
    String.raw`{"\\\"":[1,"]"]}`,
    '9007199254740993.10',
  ];
  expect(elementsOf(`[${texts.join()}]`)).toEqual(texts);
});

test('an empty array has no elements', () => {
  expect(elementsOf(' [ \n ] ')).toEqual([]);
});
