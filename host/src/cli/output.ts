import { styleText } from 'node:util';
import Table from 'cli-table3';

/** Said on stderr by every command that shows the demo's data. */
export const simulatedNote = 'Demo: simulated account, invented data.';

/** Results go here. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Talk goes here, so that results can be piped. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One object, for `--json`. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

type Style = Parameters<typeof styleText>[0];

/** Colour for stdout where colour is wanted (a terminal, no NO_COLOR). */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

const none = '';
const borderless = {
  top: none,
  'top-mid': none,
  'top-left': none,
  'top-right': none,
  bottom: none,
  'bottom-mid': none,
  'bottom-left': none,
  'bottom-right': none,
  left: none,
  'left-mid': none,
  mid: none,
  'mid-mid': none,
  right: none,
  'right-mid': none,
  middle: '  ',
};

/** Rows in aligned columns; numbers to the right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const numeric = head.map(
    (_, index) => rows.length > 0 && rows.every((row) => typeof row[index] === 'number'),
  );
  const table = new Table({
    head: head.map((title) => paint('bold', title)),
    chars: borderless,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: numeric.map((right) => (right ? 'right' : 'left')),
  });
  table.push(...rows.map((row) => row.map(String)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
