const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;

/** Index of the quote that ends the string begun at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  for (;;) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
}

/** 1 for what opens an array or object, -1 for what closes one. */
function depthOf(code: number): number {
  if (code === 0x5b || code === 0x7b) return 1;
  return code === 0x5d || code === 0x7d ? -1 : 0;
}

/**
 * The elements of a JSON array as they were written, digit for digit, in order.
 *
 * @param text of one array and nothing else, known to be well-formed JSON.
 */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let start = text.indexOf('[') + 1;
  let depth = 0;
  for (let at = start; depth >= 0 && at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    depth += depthOf(code);
    if (depth < 0 || (depth === 0 && code === comma)) {
      elements.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return elements.length === 1 && elements[0] === '' ? [] : elements;
}
