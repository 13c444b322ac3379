import fc from 'fast-check';
import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { parseAnswer } from './parse-answer.ts';

const parse = (data: string, headers = {}) => parseAnswer({ status: 200, headers, data }, '/x');

function codeOf(data: string, headers = {}): unknown {
  try {
    return ['data', parse(data, headers)];
  } catch (error) {
    return ConnectorError.is(error) ? [error.code, error.status, error.retryAfterMs] : error;
  }
}

test('any JSON without a refusal in it is read as it is', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const text = JSON.stringify(value);
      if (/"(error|errors|statusCode)":/.test(text)) return;
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

test('an answer cut off anywhere is transient, unless what is left is whole', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1 });
  fc.assert(
    fc.property(object, fc.nat(), (value, at) => {
      const text = JSON.stringify(value);
      const part = text.slice(0, 1 + (at % (text.length - 1)));
      expect(codeOf(part)).toEqual(['transient', 200, undefined]);
    }),
  );
});

test('whatever comes, it is data or a ConnectorError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(Array.isArray(codeOf(text))).toBe(true);
    }),
  );
});

const member = (statusCode: number, payload: JsonValue = null) => ({
  requestUrl: '/x',
  statusCode,
  errorMessage: null,
  payload,
  successful: statusCode === 200,
});

const refusals: [string, JsonValue, unknown][] = [
  [
    'a rate limit hidden in 200, as text',
    { error: { 'status-code': '429' } },
    ['rate_limited', 429, undefined],
  ],
  [
    'a rate limit hidden in 200, as a number',
    { error: { 'status-code': 429 } },
    ['rate_limited', 429, undefined],
  ],
  ['another status hidden in 200', { error: { 'status-code': '503' } }, ['transient', 503, undefined]],
  [
    'an error of GraphQL without a status',
    { errors: [{ message: 'Unknown field' }] },
    ['source', 400, undefined],
  ],
  [
    'an error of GraphQL with a status',
    { data: null, errors: [{ message: 'x', extensions: { status: 429 } }] },
    ['rate_limited', 429, undefined],
  ],
  [
    'an error of GraphQL with a word',
    { errors: [{ message: 'x', extensions: { classification: 'FORBIDDEN' } }] },
    ['not_supported', 403, undefined],
  ],
  [
    'an error of GraphQL with a status in its message',
    { errors: [{ message: 'Downstream answered HTTP 404' }] },
    ['not_supported', 404, undefined],
  ],
  ['a gateway member that failed', { weekly: member(503) }, ['transient', 503, undefined]],
  [
    'a gateway member that was limited, beside a good one',
    { weekly: member(200, { a: 1 }), maxMet: member(429) },
    ['rate_limited', 429, undefined],
  ],
  [
    'gateway members that all lack something',
    { weekly: member(404), maxMet: member(403) },
    ['not_supported', 404, undefined],
  ],
  ['a gateway member whose session ended', { weekly: member(401) }, ['auth', 401, undefined]],
];

test.each(refusals)('%s is judged by the inner status', (_, answer, expected) => {
  expect(codeOf(JSON.stringify(answer))).toEqual(expected);
});

const noRefusals: [string, JsonValue][] = [
  ['a gateway member without data beside a good one', { weekly: member(200, { a: 1 }), maxMet: member(404) }],
  ['a gateway member with 204', { weekly: member(204) }],
  ['GraphQL without errors', { data: { scalar: [] }, errors: [] }],
  ['an error that is a text', { error: 'none' }],
  ['a status that is none', { statusCode: 'ok', payload: null }],
];

test.each(noRefusals)('%s is data', (_, answer) => {
  expect(codeOf(JSON.stringify(answer))).toEqual(['data', answer]);
});

test('Retry-After of the answer counts for a hidden rate limit', () => {
  const text = JSON.stringify({ error: { 'status-code': '429' } });
  expect(codeOf(text, { 'retry-after': '14' })).toEqual(['rate_limited', 429, 14_000]);
});

test('a page with 200 is bad_data, and a bot check a pause', () => {
  expect(codeOf('<html>maintenance</html>')).toEqual(['bad_data', 200, undefined]);
  expect(codeOf('<html>Just a moment...</html>')).toEqual(['rate_limited', 200, 1_800_000]);
});
