import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAnswer } from './parse-answer.ts';

test.each(['', ' \n', 'null'])('%j says nothing', (text) => {
  expect(parseAnswer(text, '/x')).toBeNull();
});

test('every answer that is an object or a list and was cut off is transient', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue())),
      fc.nat(),
      (value, cut) => {
        const text = JSON.stringify(value);
        expect(parseAnswer(text, '/x')).toEqual(JSON.parse(text));
        const part = text.slice(0, 1 + (cut % (text.length - 1)));
        expect(() => parseAnswer(part, '/x')).toThrow(expect.objectContaining({ code: 'transient' }));
      },
    ),
  );
});

test.each(['<html></html>', '  <!doctype html>', 'oops', '{"a":1}}', '[1,]', '{"a" 1}'])(
  '%j is bad_data',
  (text) => {
    expect(() => parseAnswer(text, '/x')).toThrow(expect.objectContaining({ code: 'bad_data', status: 200 }));
  },
);
