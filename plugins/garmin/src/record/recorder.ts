import { createHash, randomBytes } from 'node:crypto';
import type { RecordedAnswer } from '@on-the-way/sdk';
import type { RawAnswer } from '../garmin-api.ts';
import { kindOfKey } from './key-kinds.ts';
import { createPseudonyms } from './pseudonyms.ts';
import { redactText } from './redact-text.ts';
import { redactBody, type Redaction } from './redaction.ts';
import { mapPath } from './request-path.ts';
import type { TimeShift } from './time-shift.ts';

/** Redacts the answers of one recording, all in the same way. */
export type RedactAnswer = (answer: RawAnswer) => RecordedAnswer;

/** 53 to 260 weeks back and 1 to 90 minutes to either side, as the secret has it. */
export function timeShiftOf(secret: Uint8Array): TimeShift {
  const bytes = createHash('sha256').update('time').update(secret).digest();
  const weeks = 53 + (bytes.readUInt16BE(0) % 208);
  const minutes = 1 + ((bytes[2] ?? 0) % 90);
  return { days: -7 * weeks, minutes: (bytes[3] ?? 0) % 2 === 0 ? minutes : -minutes };
}

/** Numbers of pages, counts of rows and the like may stay in a question. */
function redactParameter(name: string, value: string, redaction: Redaction): string {
  const shift = { ...redaction.shift, minutes: 0 };
  const kind = kindOfKey(name);
  if ((kind === 'other' || kind === 'id') && /^-?\d{1,6}$/.test(value)) return value;
  // A question of GraphQL is the plugin's own text around values in quotes.
  if (name === 'query' && /^(?:query)?\s*\{[^]*\}$/.test(value)) {
    return value.replace(/(\\?")(.*?)\1/g, (_, quote: string, text: string) => {
      return `${quote}${redactText(name, text, { kind: 'name', shift }, redaction)}${quote}`;
    });
  }
  // Without the name: a value of a question is kept for being a known word, never for what it stands under.
  return redactText('', value, { kind, shift }, redaction);
}

function redactQuery(query: RawAnswer['query'], redaction: Redaction): Record<string, string> {
  const entries = Object.entries(query).map(
    ([name, value]) => [name, redactParameter(name, value, redaction)] as const,
  );
  return Object.fromEntries(entries);
}

function redactPath(path: string, redaction: Redaction): string {
  const shift = { ...redaction.shift, minutes: 0 };
  return mapPath(path, (part) =>
    // Numbers of weeks and months are short; any other number is somebody's.
    /^\d{1,3}$/.test(part) ? part : redactText('', part, { kind: 'name', shift }, redaction),
  );
}

/** Makes the redaction of one recording. The secret is what a reversal would need; keep it nowhere. */
export function createRedaction(secret: Uint8Array): RedactAnswer {
  const pseudonyms = createPseudonyms(secret);
  const shift = timeShiftOf(secret);
  const ownWords = new Set<string>();
  return ({ dataset, path, query, status, body }) => {
    const replaced: Record<string, number> = {};
    const count = (kind: string): void => {
      replaced[kind] = (replaced[kind] ?? 0) + 1;
    };
    const isProfile = path.startsWith('/userprofile-service/');
    const redaction: Redaction = { pseudonyms, shift, ownWords, count, isProfile };
    const redacted = redactBody(body, redaction);
    return {
      ...(dataset !== undefined && { dataset }),
      path: redactPath(path, redaction),
      query: redactQuery(query, redaction),
      status,
      body: redacted,
      replaced,
    };
  };
}

/**
 * Makes what takes the answers of one session, and hands them on with everything taken out that names
 * the person, where they are, and when it was. Ids and names become the same inventions throughout.
 */
export function createRecorder(send: (answer: RecordedAnswer) => void): (answer: RawAnswer) => void {
  const redact = createRedaction(randomBytes(32));
  return (answer) => send(redact(answer));
}
