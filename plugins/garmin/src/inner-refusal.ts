import type { JsonValue } from '@on-the-way/sdk';
import { isFilled, isObject, listOf, memberOf, textOf, type JsonObject } from './json-shape.ts';
import type { InnerRefusal } from './map-error.ts';

const statusWords: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  TOO_MANY_REQUESTS: 429,
  INTERNAL_SERVER_ERROR: 500,
  INTERNAL_ERROR: 500,
};

function toStatus(value: JsonValue): number | undefined {
  const word = typeof value === 'string' ? statusWords[value.toUpperCase()] : undefined;
  const status = word ?? (typeof value === 'boolean' ? Number.NaN : Number(value ?? Number.NaN));
  return Number.isInteger(status) && status >= 100 && status < 600 ? status : undefined;
}

function firstStatus(values: readonly JsonValue[]): number | undefined {
  return values.map(toStatus).find((status) => status !== undefined);
}

/** What an entry of GraphQL's `errors` says; where it names no status, that the question is wrong (400). */
function ofGraphQlError(error: JsonValue): InnerRefusal {
  const extensions = memberOf(error, 'extensions');
  const keys = ['status', 'statusCode', 'httpStatus', 'code', 'errorType', 'classification'];
  const stated = [extensions, error, memberOf(extensions, 'response')].flatMap((holder) =>
    keys.map((key) => memberOf(holder, key)),
  );
  const message = textOf(memberOf(error, 'message'));
  const inText = /\b(?:HTTP|status(?: code)?|code)\D{0,3}([1-5]\d\d)\b|^\s*"?([45]\d\d)\b/i.exec(message);
  const status = firstStatus([...stated, inText?.[1] ?? inText?.[2] ?? null]);
  return { status: status ?? 400, body: message };
}

/** A part of an answer of the mobile gateway: an answer in itself, with a status of its own. */
function isGatewayMember(value: JsonValue | undefined): value is JsonObject {
  return isObject(value) && toStatus(value['statusCode'] ?? null) !== undefined && 'payload' in value;
}

// The same question gets the same answer: one part that lacks something does not spoil the others.
const lasting = [400, 403, 404, 412];

function ofGateway(answer: JsonObject): InnerRefusal | undefined {
  const members = [answer, ...Object.values(answer)].filter(isGatewayMember);
  const refused = members
    .map((member) => ({
      status: toStatus(member['statusCode'] ?? null) ?? 200,
      body: textOf(member['errorMessage']),
    }))
    .filter(({ status }) => status < 200 || status >= 300);
  if (refused.length === members.length) return refused[0];
  return refused.find(({ status }) => !lasting.includes(status));
}

/**
 * The refusal that hides in an answer of 200: a rate limit as `{"error":{"status-code":"429"}}`,
 * GraphQL's `errors`, or a member of the mobile gateway with another `statusCode`. Undefined when the
 * answer is what it seems.
 */
export function findInnerRefusal(answer: JsonValue): InnerRefusal | undefined {
  if (!isObject(answer)) return undefined;
  const hidden = toStatus(memberOf(answer['error'], 'status-code'));
  if (hidden !== undefined && hidden >= 300) return { status: hidden, body: textOf(answer['error']) };
  const error = listOf(answer['errors']).find(isFilled);
  if (error !== undefined) return ofGraphQlError(error);
  return ofGateway(answer);
}
