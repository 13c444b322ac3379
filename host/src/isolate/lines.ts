import { encodeBatch, type Batch } from './batch-frame.ts';
import type { FromChild, ToChild } from './protocol.ts';

/** A message that is a line. */
export function encodeLine(message: ToChild | Exclude<FromChild, Batch>): string {
  return `${JSON.stringify(message)}\n`;
}

/** A message of the child as it is sent: a line, and behind that of a batch its events. */
export function encode(message: FromChild): readonly (string | Buffer)[] {
  return message.type === 'batch' ? encodeBatch(message) : [encodeLine(message)];
}

/**
 * Splits a stream of text into lines; keeps the unfinished rest for the next piece. A line longer than
 * `longest` characters is handed over as far as it came, its rest is dropped.
 */
export function createLineSplitter(
  onLine: (line: string) => void,
  longest = Number.POSITIVE_INFINITY,
): (piece: string) => void {
  let rest = '';
  let dropping = false;
  return (piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '' && !dropping) onLine(line.slice(0, longest));
      dropping = false;
    }
    if (rest.length <= longest) return;
    if (!dropping) onLine(rest.slice(0, longest));
    dropping = true;
    rest = '';
  };
}
