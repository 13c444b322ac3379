import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { findInnerRefusal } from './inner-refusal.ts';
import { toRefusalError, type RawResponse } from './map-error.ts';

/** True when brackets or a string are still open at the end, as in a body that was cut off. */
function isCutOff(text: string): boolean {
  let depth = 0;
  for (const [token, closing] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*("?)|[[\]{}]/gs)) {
    if (closing === '') return true;
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
  }
  return depth > 0;
}

/** JSON of a body, or undefined when it is none. An empty body means nothing is there and becomes null. */
export function tryParse(text: string): JsonValue | undefined {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The parser's message quotes the body, so it is not kept.
    return undefined;
  }
}

function toUnreadable(text: string, response: RawResponse, path: string): ConnectorError {
  if (/^\s*</.test(text)) return toRefusalError({ ...response, status: 200 }, { path });
  if (/^\s*[[{"]/.test(text) && isCutOff(text)) {
    return new ConnectorError('transient', `Expected all of the answer of ${path}, got a part: ask again`, {
      status: 200,
    });
  }
  return new ConnectorError('bad_data', `Expected JSON from ${path}, got something else with HTTP 200`, {
    status: 200,
  });
}

/**
 * What an answer says.
 *
 * @throws ConnectorError as the answer's status, or one inside it, means; `transient` for a body that
 * was cut off, `bad_data` for anything but JSON.
 */
export function parseAnswer(response: RawResponse, path: string): JsonValue {
  const { status, data } = response;
  if (status < 200 || status >= 300) throw toRefusalError(response, { path });
  const text = typeof data === 'string' ? data : '';
  const answer = tryParse(text);
  if (answer === undefined) throw toUnreadable(text, response, path);
  const inner = findInnerRefusal(answer);
  if (inner) throw toRefusalError(response, { path, inner });
  return answer;
}
