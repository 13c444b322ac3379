import { expect, test } from 'vitest';
import { isRawJson, rawJson } from './index.ts';

test('raw JSON keeps its text to the character', () => {
  const text = ' {"big": 9007199254740993, "ratio": 1.0} ';
  expect(rawJson(text).rawJson).toBe(text);
});

test.each(['', '{', 'undefined', 'NaN', '{a:1}', '[1,]', '01'])('%j is refused as raw JSON', (text) => {
  expect(() => rawJson(text)).toThrow(SyntaxError);
});

test('only what rawJson made is raw JSON, not data that looks like it', () => {
  expect(isRawJson(rawJson('1'))).toBe(true);
  for (const value of [{ rawJson: '1' }, JSON.parse('{"rawJson":"1"}'), '1', null, undefined, [], 1]) {
    expect(isRawJson(value)).toBe(false);
  }
});

test('raw JSON made by another copy of this package is known', () => {
  const foreign = Object.defineProperty({ rawJson: '1' }, Symbol.for('@on-the-way/sdk rawJson'), {
    value: true,
  });
  expect(isRawJson(foreign)).toBe(true);
});

test('raw JSON cannot be changed after it was checked', () => {
  expect(() => Object.assign(rawJson('1'), { rawJson: '{' })).toThrow(TypeError);
});
