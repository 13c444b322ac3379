import { styleText } from 'node:util';
import pino, { type Logger } from 'pino';
import type { Redactor } from './redact.ts';

/** The host's log: JSON lines on stderr, or short lines for a person at a terminal. */
export type HostLog = Logger;

const secretPaths = ['password', 'token', 'authorization', 'cookie', 'secret', 'apiKey'].flatMap((name) => [
  name,
  `*.${name}`,
  `*.*.${name}`,
]);

const levels: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };
const shownElsewhere = new Set(['level', 'time', 'msg', 'pid', 'hostname', 'name']);

function colour(level: string, text: string): string {
  const style = level === 'error' ? 'red' : level === 'warn' ? 'yellow' : 'dim';
  return styleText(style, text, { stream: process.stderr });
}

/** On one line, and nothing that a terminal would obey. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** One log line as a person reads it: time, level, message, then the fields. */
function readable(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const level = levels[Number(entry['level'])] ?? 'info';
  const time = new Date(Number(entry['time'])).toTimeString().slice(0, 8);
  const fields = Object.entries(entry)
    .filter(([key]) => !shownElsewhere.has(key))
    .map(([key, value]) => `${key}=${shown(value)}`);
  // A progress bar may stand on this line.
  return `\r\u001b[K${colour(level, `${time} ${level}`)} ${shown(entry['msg'] ?? '')} ${styleText('dim', fields.join(' '), { stream: process.stderr })}\n`;
}

/** Makes the log. Every line passes the redactor last, after redaction by path. */
export function createLog(options: {
  readonly redactor: Redactor;
  readonly level: string;
  readonly pretty: boolean;
  readonly write: (text: string) => void;
}): HostLog {
  const { redactor, level, pretty, write } = options;
  const stream = {
    write(line: string) {
      // Text by text, so that a secret of digits cannot break a number or the line.
      const clean = JSON.stringify(JSON.parse(line), (_key, value: unknown) =>
        typeof value === 'string' ? redactor.redact(value) : value,
      );
      write(pretty ? readable(clean) : `${clean}\n`);
    },
  };
  return pino({ level, base: null, redact: { paths: secretPaths, censor: '[redacted]' } }, stream);
}
