import {
  canonicalJson,
  otherDouble,
  parseStrictJson,
  sha256,
  type JsonMembers,
  type JsonSpan,
  type StrictJson,
} from '@on-the-way/core';
import {
  characters,
  parseInstant,
  rawJson,
  type IngestProblem,
  type IngestRules,
  type Instant,
  type JsonValue,
  type RawEvent,
} from '@on-the-way/sdk';
import { z } from 'zod';
import { ApiError } from '../http/api-error.ts';
import { issueText, jsonRefusal } from '../http/body.ts';
import type { ServedContract } from './ports.ts';

/** How deep a body may nest: itself, its payload, and 64 levels of a member of that. */
const bodyDepth = { maxDepth: 66, outerDepth: 2 };

// Longer keys do not fit into the index that makes them unique, whatever their characters.
const keyBytes = 512;
const auditedLength = 512;

/** The parts of a request that the audit keeps; null where they are not text that can be kept. */
export interface Identity {
  readonly sourceId: string | null;
  readonly externalId: string | null;
}

/** Of a request that did not get so far. */
export const nobody: Identity = { sourceId: null, externalId: null };

/** Refused for what the body says; with what the audit keeps of it. */
export class BodyRefused extends ApiError {
  readonly identity: Identity;

  constructor({ status, code, message }: ApiError, identity: Identity) {
    super(status, code, message);
    this.identity = identity;
  }
}

/** Whether it was refused for not being JSON at all. */
export function isMalformed(error: unknown): boolean {
  return error instanceof BodyRefused && error.status === 400;
}

/** The one source of a contract. */
function onlySource(source: string) {
  return z.literal(
    source,
    `Expected ${JSON.stringify(source)}; what was read from another source goes to /v1/ingest/events`,
  );
}

/** Half of a key. */
function keyText(maxLength: number) {
  return characters(1, maxLength)
    .refine((text) => !/\p{Cc}/u.test(text), 'Expected text without control characters')
    .refine((text) => Buffer.byteLength(text) <= keyBytes, `Expected at most ${keyBytes} bytes`)
    .meta({ description: `No control characters; at most ${keyBytes} bytes in UTF-8` });
}

type BodySchema = z.ZodType<{ readonly occurred_at: string }>;

const schemas = new WeakMap<ServedContract, BodySchema>();

function bodySchema({ source, externalIdLength }: ServedContract, payload: z.ZodType): BodySchema {
  return z.strictObject({
    source_id: source === undefined ? keyText(keyBytes) : onlySource(source),
    external_id: keyText(externalIdLength),
    occurred_at: z
      .string()
      .refine(
        (text) => parseInstant(text) !== undefined,
        'Expected RFC 3339 with an offset, such as 2026-02-26T10:10:06+08:00',
      )
      .meta({ format: 'date-time' }),
    payload,
  });
}

/** The schema that a body must fit. */
function bodySchemaOf(contract: ServedContract): BodySchema {
  const known = schemas.get(contract);
  if (known) return known;
  const schema = bodySchema(contract, contract.payload);
  schemas.set(contract, schema);
  return schema;
}

/** The same for the API's description, with what the operator allows. */
export function describedSchemaOf(contract: ServedContract, rules: IngestRules): BodySchema {
  return bodySchema(contract, contract.described?.(rules) ?? contract.payload);
}

/** A body as it is stored, once its shape fits. */
interface Body {
  readonly source_id: string;
  readonly external_id: string;
  readonly occurred_at: string;
  readonly payload: JsonValue;
}

function usable(value: unknown): string | null {
  if (typeof value !== 'string' || value.includes('\0') || !value.isWellFormed()) return null;
  // Not half of a pair at the cut.
  return value.slice(0, auditedLength).replace(/[\uD800-\uDBFF]$/, '');
}

function identityOf(value: JsonValue): Identity {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return nobody;
  const { source_id: source, external_id: external } = value as Readonly<Record<string, unknown>>;
  return { sourceId: usable(source), externalId: usable(external) };
}

function isProblemCode(code: unknown): code is IngestProblem['code'] {
  return code === 'UNSUPPORTED_METRIC_TYPE' || code === 'INVALID_TIMEZONE';
}

function codeOf(issue: z.core.$ZodIssue): IngestProblem['code'] {
  const code: unknown = issue.code === 'custom' ? issue.params?.['code'] : undefined;
  return isProblemCode(code) ? code : 'INVALID_ARGUMENT';
}

/** The first thing that does not fit; what has a code of its own only when all else fits. */
function schemaRefusal({ issues }: z.ZodError): ApiError {
  const issue = issues.find((found) => codeOf(found) === 'INVALID_ARGUMENT') ?? issues[0];
  if (!issue) return new ApiError(422, 'INVALID_ARGUMENT', 'Expected another body');
  return new ApiError(422, codeOf(issue), issueText(issue));
}

/** What a body is checked against. */
export interface AcceptRules extends IngestRules {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How far ahead of now a thing may have happened. */
  readonly futureToleranceMinutes: number;
}

function tooEarly({ ms }: Instant, { now, futureToleranceMinutes }: AcceptRules): ApiError | undefined {
  if (ms <= now + futureToleranceMinutes * 60_000) return undefined;
  const limit = `Expected at most ${futureToleranceMinutes} minutes ahead of now`;
  return new ApiError(422, 'INVALID_ARGUMENT', `occurred_at: ${limit}`);
}

// In no zone a day that the API could neither show nor filter by.
const farthest = Date.parse('2200-12-31T00:00:00Z');

function tooFar({ ms }: Instant): ApiError | undefined {
  if (ms <= farthest) return undefined;
  return new ApiError(422, 'INVALID_ARGUMENT', 'occurred_at: Expected a day before 2200-12-31');
}

/** The text and the canonical text of what is stored. */
interface StoredPayload {
  readonly text: string;
  readonly canonical: string;
}

interface PayloadSource {
  /** The whole body. */
  readonly text: string;
  readonly span: JsonSpan;
  readonly value: JsonValue;
  /** Whether every number is what its double is. */
  readonly exact: boolean;
}

/** A member that two payloads are compared by. */
interface Compared {
  readonly name: string;
  /** `"name":` */
  readonly written: string;
  readonly isWrapped: boolean;
}

/** What becomes of the members of payloads that have the same names in the same order, as most of a contract do. */
interface Members {
  readonly names: readonly string[];
  /** In the order of canonical text. */
  readonly compared: readonly Compared[];
}

const none: readonly string[] = [];
const lastMembers = new WeakMap<ServedContract, Members>();
// More names than any contract has are not worth to be kept.
const mostKept = 64;

function hasNames({ names }: Members, members: JsonMembers): boolean {
  if (names.length !== members.size) return false;
  let at = 0;
  for (const name of members.keys()) if (names[at++] !== name) return false;
  return true;
}

function membersOf(contract: ServedContract, members: JsonMembers): Members {
  const last = lastMembers.get(contract);
  if (last && hasNames(last, members)) return last;
  const { wrapped = none, notCompared = none } = contract;
  const names = [...members.keys()];
  const compared = names
    .filter((name) => !notCompared.includes(name))
    // Default order compares UTF-16 code units, as RFC 8785 asks for; names are unique.
    .toSorted()
    .map((name) => ({ name, written: `${JSON.stringify(name)}:`, isWrapped: wrapped.includes(name) }));
  const found = { names, compared };
  if (names.length <= mostKept) lastMembers.set(contract, found);
  return found;
}

/** The text of the payload as it was sent, with what the contract wraps. */
function wrappedText({ wrapped = none }: ServedContract, { text, span }: PayloadSource): string {
  let stored = '';
  let from = span.start;
  if (wrapped.length > 0 && span.members) {
    for (const [name, { start, end }] of span.members) {
      if (text[start] === '{' || !wrapped.includes(name)) continue;
      stored += `${text.slice(from, start)}{"value":${text.slice(start, end)}}`;
      from = end;
    }
  }
  return stored + text.slice(from, span.end);
}

/** The payload as it was sent, with what the contract wraps, and the canonical text of what it compares. */
function storedPayload(contract: ServedContract, source: PayloadSource): StoredPayload {
  const { text, span, value, exact } = source;
  const { members } = span;
  const stored = wrappedText(contract, source);
  if (members === undefined)
    return { text: stored, canonical: canonicalJson(exact ? value : rawJson(stored)) };
  const values = value as Readonly<Record<string, JsonValue>>;
  let said = '';
  for (const { name, written, isWrapped } of membersOf(contract, members).compared) {
    const { start, end } = members.get(name)!;
    const canonical = canonicalJson(exact ? values[name]! : rawJson(text.slice(start, end)));
    said += said === '' ? written : `,${written}`;
    said += isWrapped && text[start] !== '{' ? `{"value":${canonical}}` : canonical;
  }
  return { text: stored, canonical: `{${said}}` };
}

/**
 * The payload with each of its members that is a number no double holds as the double on the other side of it than the
 * one that JSON.parse takes. A number is within the limits of a schema when both are: 100.00000000000000000001 is not.
 */
function otherPayload(payload: JsonValue, members: JsonMembers, text: string): JsonValue {
  const other: Record<string, JsonValue> = { ...(payload as Readonly<Record<string, JsonValue>>) };
  for (const [name, { start, end }] of members)
    if (typeof other[name] === 'number') other[name] = otherDouble(text.slice(start, end));
  return other;
}

/** @throws ApiError 422 */
function expectFitting(contract: ServedContract, body: unknown): void {
  const fitting = bodySchemaOf(contract).safeParse(body);
  if (!fitting.success) throw schemaRefusal(fitting.error);
}

/** A body that is JSON. */
interface ParsedBody {
  readonly text: string;
  readonly parsed: StrictJson & { readonly kind: 'json' };
}

/** A body that fits, and the contract that it fits. */
interface Fitting {
  readonly contract: ServedContract;
  readonly body: Body;
  readonly span: JsonSpan;
  readonly occurredAt: Instant;
}

/** What a body says that fits the contract in every respect. @throws ApiError 422 */
function fittingBody(contract: ServedContract, { text, parsed }: ParsedBody, rules: AcceptRules): Fitting {
  expectFitting(contract, parsed.value);
  const body = parsed.value as unknown as Body;
  const occurredAt = parseInstant(body.occurred_at);
  const span = parsed.members?.get('payload');
  if (!occurredAt || !span) throw new TypeError('Expected what the schema lets pass to be there');
  if (!parsed.exact && span.members)
    expectFitting(contract, { ...body, payload: otherPayload(body.payload, span.members, text) });
  const early = contract.mayBeAhead === true ? tooFar(occurredAt) : tooEarly(occurredAt, rules);
  if (early) throw early;
  const problem = contract.check?.(
    { externalId: body.external_id, occurredAt: body.occurred_at, payload: body.payload },
    rules,
  );
  if (problem) throw new ApiError(422, problem.code, `${problem.field}: ${problem.message}`);
  return { contract, body, span, occurredAt };
}

interface Refused {
  readonly contract: ServedContract;
  readonly error: ApiError;
}

/** Why none of a source's contracts takes an event. With one of them it is what that one says, code and all. */
function noneTakes(refused: readonly Refused[]): ApiError {
  const said = refused
    .map(({ contract, error }) => `${error.message} (contract ${contract.name})`)
    .join('; ');
  const [first] = refused;
  if (first && refused.length === 1) return new ApiError(422, first.error.code, said);
  const expected = 'source_id: Expected an event that one of the contracts of its source takes';
  return new ApiError(422, 'INVALID_ARGUMENT', `${expected}, found: ${said}`);
}

/**
 * The same where another contract may have to be fitted: a source that has contracts is checked by them at whatever
 * address.
 *
 * @throws ApiError 422
 */
function fittingSource(contract: ServedContract, parsed: ParsedBody, rules: AcceptRules): Fitting {
  if (!contract.contractsOf) return fittingBody(contract, parsed, rules);
  const { sourceId } = identityOf(parsed.parsed.value);
  const contracts = sourceId === null ? [] : contract.contractsOf(sourceId);
  if (contracts.length === 0) return fittingBody(contract, parsed, rules);
  const refused: Refused[] = [];
  for (const one of contracts) {
    try {
      return fittingBody(one, parsed, rules);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused.push({ contract: one, error });
    }
  }
  throw noneTakes(refused);
}

/**
 * Makes the event to store out of the text of a request: its payload to the character, its time in one form, the hash
 * by which two events are found to say the same.
 *
 * @throws BodyRefused 400 or 422.
 */
export function acceptBody(
  served: ServedContract,
  text: string,
  options: AcceptRules & { readonly requestId: string },
): RawEvent {
  const parsed = parseStrictJson(text, bodyDepth);
  if (parsed.kind === 'malformed') throw new BodyRefused(jsonRefusal(parsed), nobody);
  try {
    if (parsed.kind === 'unstorable') throw jsonRefusal(parsed);
    const { contract, body, span, occurredAt } = fittingSource(served, { text, parsed }, options);
    const stored = storedPayload(contract, { text, span, value: body.payload, exact: parsed.exact });
    return {
      sourceId: body.source_id,
      externalId: body.external_id,
      occurredAt: occurredAt.text,
      payload: stored.text,
      payloadHash: sha256(stored.canonical),
      ...(contract.notCompared && { notCompared: contract.notCompared }),
      requestId: options.requestId,
    };
  } catch (error) {
    throw error instanceof ApiError ? new BodyRefused(error, identityOf(parsed.value)) : error;
  }
}
