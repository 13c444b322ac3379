/** Stands for a value that is or may be a secret. */
export const notShown = 'a value that is not (not shown)';

/**
 * A text in quotes, for messages. Left out when it may carry a secret along: an address with a user or
 * a query has `@`, `?` or `=`, and what somebody pasted into the wrong place is often long.
 */
export function shownText(text: string): string {
  return text.length <= 60 && !/[@?=]/.test(text) ? JSON.stringify(text) : notShown;
}

/** A value of any kind at a place where no secret belongs; of objects only that it is one. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string') return shownText(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

/** What sort of value it is, and nothing of what it says. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'string':
      return 'a text (not shown)';
    default:
      return `a ${typeof value} (not shown)`;
  }
}
