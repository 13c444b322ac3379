import { ConnectorError, type JsonValue } from '@on-the-way/sdk';

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

/**
 * What a successful answer says. An empty body means nothing is there and becomes null.
 *
 * @throws ConnectorError `transient` for a body that was cut off, `bad_data` for anything but JSON.
 */
export function parseAnswer(text: string, path: string): JsonValue {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The parser's message quotes the body, so it is not kept as the cause.
    if (/^\s*</.test(text)) {
      throw new ConnectorError('bad_data', `Expected JSON from ${path}, got an HTML page with HTTP 200`, {
        status: 200,
      });
    }
    if (/^\s*[[{]/.test(text) && isCutOff(text)) {
      throw new ConnectorError('transient', `Expected all of the answer of ${path}, got a part: ask again`, {
        status: 200,
      });
    }
    throw new ConnectorError('bad_data', `Expected JSON from ${path}, got something else with HTTP 200`, {
      status: 200,
    });
  }
}
