import type { IncomingMessage } from 'node:http';
import { parseStrictJson } from '@on-the-way/core';
import type { JsonValue } from '@on-the-way/sdk';
import type { z } from 'zod';
import { hasBody, readTextBody } from '../ingest/read-body.ts';
import { ApiError } from './api-error.ts';

// Names that a sender chose are shown no longer than this.
const shownNameLength = 64;
const shownPathLength = 8;

/** A name that somebody sent, fit to be shown. */
function quoted(name: string): string {
  return JSON.stringify(name.length > shownNameLength ? `${name.slice(0, shownNameLength)}…` : name);
}

/** A place in a body: `payload.data["a b"][3]`. */
export function placeOf(path: readonly PropertyKey[]): string {
  const shown = path.slice(0, shownPathLength).map((part, index) => {
    if (typeof part === 'number') return `[${part}]`;
    const name = String(part);
    if (!/^\w{1,64}$/.test(name)) return `[${quoted(name)}]`;
    return index === 0 ? name : `.${name}`;
  });
  if (path.length > shownPathLength) shown.push('…');
  return shown.join('') || 'body';
}

/** What a schema has against a value, in words that never quote the value. */
export function issueText(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return `${placeOf(issue.path)}: ${issue.message}`;
  const [key = ''] = issue.keys;
  return `${placeOf(issue.path)}: Expected no field ${quoted(key)}`;
}

/**
 * The value of JSON text.
 *
 * @throws ApiError 400 for what is not JSON, 422 for JSON that cannot be stored as it is.
 */
function parseJsonBody(text: string, maxDepth: number): JsonValue {
  const parsed = parseStrictJson(text, { maxDepth });
  if (parsed.kind === 'json') return parsed.value;
  throw jsonRefusal(parsed);
}

/** The refusal of text that is not JSON, or not storable. */
export function jsonRefusal(
  parsed: Exclude<ReturnType<typeof parseStrictJson>, { readonly kind: 'json' }>,
): ApiError {
  if (parsed.kind === 'malformed')
    return new ApiError(400, 'INVALID_ARGUMENT', 'Expected a body that is JSON (RFC 8259)');
  const { path, found } = parsed;
  const message = `${placeOf(path)}: Expected what can be stored and read back unchanged, found ${found}`;
  return new ApiError(422, 'INVALID_ARGUMENT', message);
}

/** Of the bodies that tell the host what to do; what is posted to be stored has limits of its own. */
const smallBody = { mediaTypes: ['application/json'], limit: 64 * 1024 };
const smallDepth = 16;

/**
 * Reads the small JSON body of a request, and parses it by the schema, which should be strict. A request without
 * a body is what the schema makes of undefined.
 *
 * @throws ApiError 415, 413, 400, or 422 naming the first field that is not as expected.
 */
export async function readJsonBody<Schema extends z.ZodType>(
  request: IncomingMessage,
  schema: Schema,
): Promise<z.output<Schema>> {
  const isOptional = !hasBody(request) && schema.safeParse(undefined).success;
  const value = isOptional ? undefined : parseJsonBody(await readTextBody(request, smallBody), smallDepth);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ApiError(422, 'INVALID_ARGUMENT', issue ? issueText(issue) : 'Expected another body');
}
