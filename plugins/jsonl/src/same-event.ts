import { isDeepStrictEqual } from 'node:util';
import { parseInstant, type RawEvent } from '@on-the-way/sdk';

/** Sign, digits without outer zeros and exponent: equal for every way of writing the same number. */
function decimalOf(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  if (end === 0) return '0';
  const sign = mantissa.startsWith('-') ? '-' : '';
  return `${sign}${digits.slice(0, end)}e${Number(exponent) - fraction.length + digits.length - end}`;
}

/** What a payload says, its numbers digit for digit; numbers and texts cannot be taken for one another. */
function meaningOf(payload: string): unknown {
  const reviver = (_key: string, value: unknown, context: { source?: string }): unknown => {
    if (typeof value === 'string') return `text ${value}`;
    return typeof value === 'number' ? `number ${decimalOf(context.source ?? String(value))}` : value;
  };
  return JSON.parse(payload, reviver as (key: string, value: unknown) => unknown);
}

function without(meaning: unknown, names: readonly string[]): unknown {
  if (typeof meaning !== 'object' || meaning === null || Array.isArray(meaning)) return meaning;
  return Object.fromEntries(Object.entries(meaning).filter(([name]) => !names.includes(name)));
}

/**
 * Whether two payloads say the same, whatever the order of their members and the way their numbers are written. Of two
 * that are nested too deep to tell, no.
 */
function isSamePayload(a: string, b: string, notCompared: readonly string[] = []): boolean {
  if (a === b) return true;
  try {
    return isDeepStrictEqual(without(meaningOf(a), notCompared), without(meaningOf(b), notCompared));
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Milliseconds and the microseconds beyond them; what is finer does not count, as in Postgres. */
function instantOf(text: string): string | undefined {
  const instant = parseInstant(text);
  const fraction = /\.(\d+)/.exec(instant?.text ?? '')?.[1] ?? '';
  return instant && `${instant.ms} ${fraction.padEnd(6, '0').slice(3)}`;
}

/** Whether both are the same moment, whatever clock they are written by. */
function isSameInstant(a: string, b: string): boolean {
  return a === b || instantOf(a) === instantOf(b);
}

/** What is known of the event that stands under a key. */
export interface Standing {
  readonly occurredAt: string;
  readonly payloadHash: string;
  /** Called only when the hashes differ. */
  readonly payload: () => string;
}

/** Whether the event is what stands under its key. */
export function isSameEvent(event: RawEvent, standing: Standing): boolean {
  if (!isSameInstant(event.occurredAt, standing.occurredAt)) return false;
  if (event.payloadHash === standing.payloadHash) return true;
  return isSamePayload(event.payload, standing.payload(), event.notCompared);
}
