import type { z } from 'zod';
import type { JsonValue } from './json.ts';

/** What a request to an ingest contract says, once its parts fit their schemas. */
export interface IngestEvent {
  /** Unique within the contract's source. */
  readonly externalId: string;
  /** RFC 3339 with offset, as it was sent. */
  readonly occurredAt: string;
  /** As the contract's schema parsed it. */
  readonly payload: JsonValue;
}

/** What the operator allows. */
export interface IngestRules {
  /** IANA names of the zones that payloads may be in. */
  readonly timeZones: readonly string[];
}

/** Codes with which a contract may refuse; the HTTP API answers 422 with them. */
export type IngestProblemCode = 'INVALID_ARGUMENT' | 'UNSUPPORTED_METRIC_TYPE' | 'INVALID_TIMEZONE';

/** Why an event that fits the schema is refused all the same. */
export interface IngestProblem {
  /** Which refusal it is. */
  readonly code: IngestProblemCode;
  /** Where, in dots: `payload.timezone`. */
  readonly field: string;
  /** What was expected. Never quotes a value that was sent. */
  readonly message: string;
}

/**
 * A kind of event that others may post to `POST /v1/ingest/<name>`. The host reads the body, checks it,
 * stores it once, answers and keeps the audit; the contract says what a body may hold.
 */
export interface IngestContract {
  /** One sentence for the API's description. */
  readonly description: string;
  /** The only `source_id` that is taken. */
  readonly source: string;
  /** Longest `external_id`, in characters. */
  readonly externalIdLength: number;
  /**
   * Schema of `payload`; make it strict. Limits of a number that is a member of it hold for the digits that were sent,
   * deeper ones for the nearest double. A refusal with a code of its own is a refinement with
   * `params: { code: 'UNSUPPORTED_METRIC_TYPE' }`.
   */
  readonly payload: z.ZodType;
  /** `payload` for the API's description, where what it takes depends on what the operator allows. */
  described?(rules: IngestRules): z.ZodType;
  /** Rules over several fields. Called when everything fits; undefined lets the event pass. */
  check?(event: IngestEvent, rules: IngestRules): IngestProblem | undefined;
  /** Members of `payload` that say how the event was got, not what it is: two events may differ in them and be the same. */
  readonly notCompared?: readonly string[];
  /** Members of `payload` that are kept as `{"value": …}` when they are not objects. */
  readonly wrapped?: readonly string[];
}

/** The contracts of a plugin by their names in the path. */
export type IngestContracts = Readonly<Record<string, IngestContract>>;
