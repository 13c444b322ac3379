import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { ApiError } from './api-error.ts';

/** What a key must be allowed for. `open`: anybody may ask. */
export type Scope = 'open' | 'read' | 'ingest' | 'admin';

/** What an answer holds: JSON that fits a schema, or text of a media type. */
export interface AnswerShape {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** Instead of a schema. */
  readonly mediaType?: string;
}

/** What a request may bring. */
interface BodyShape {
  readonly mediaTypes: readonly string[];
  readonly schema: z.ZodType;
  /** Media types of text that has one JSON text a line, and the schema of each. */
  readonly lines?: { readonly mediaTypes: readonly string[]; readonly schema: z.ZodType };
}

/** What a handler is given: everything parsed. */
interface Call<Params, Query> {
  readonly params: Params;
  readonly query: Query;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A handler's answer; undefined when it has answered by itself, as streams do. */
export type Answer = { readonly status?: number; readonly body: object } | undefined;

/**
 * One path with one method. The same schemas validate the request and make the description at /openapi.json, so
 * that the two cannot part.
 */
export interface Route<Params = unknown, Query = unknown> {
  readonly method: 'get' | 'post' | 'delete';
  /** As OpenAPI writes it: `/v1/runs/{id}`. */
  readonly path: string;
  readonly summary: string;
  readonly scope: Scope;
  readonly params?: z.ZodType<Params>;
  readonly query?: z.ZodType<Query>;
  /** Served by Node alone where its address is plain, for what comes so often that express' share counts. */
  readonly isDirect?: boolean;
  /** Of a request's body; the handler reads it. */
  readonly body?: BodyShape;
  /** By status. Refusals that any path can answer with are not listed. */
  readonly answers: Readonly<Record<number, AnswerShape>>;
  /** What the description lists in place of this route, where that is known only once plugins are loaded. */
  described?(): Promise<readonly Route[]>;
  handle(call: Call<Params, Query>): Promise<Answer> | Answer;
}

/** A route whose handler knows what its schemas parse. */
export function defineRoute<Params, Query>(route: Route<Params, Query>): Route {
  // The one cast: the router calls the handler with what these very schemas parsed.
  return route as unknown as Route;
}

const nothing = z.strictObject({});

function checked(schema: z.ZodType, value: unknown, what: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') || what;
  throw new ApiError(422, 'INVALID_ARGUMENT', `${where}: ${issue?.message ?? 'is not what it should be'}`);
}

/** Unknown names and repeated ones are refused. */
function queryOf(query: Readonly<Record<string, unknown>>, schema: z.ZodType): unknown {
  const repeated = Object.entries(query).find(([, value]) => typeof value !== 'string');
  if (repeated)
    throw new ApiError(422, 'INVALID_ARGUMENT', `Expected ${repeated[0]} at most once in the query`);
  return checked(schema, query, 'query');
}

/** A request as it came, with what its address says. */
export interface Addressed {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly params: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, unknown>>;
}

/** Checks what the address says, and lets the route's handler answer. @throws ApiError 422 */
export async function answerOf(route: Route, { request, response, ...said }: Addressed): Promise<Answer> {
  const query = queryOf(said.query, route.query ?? nothing);
  const params = route.params ? checked(route.params, said.params, 'path') : said.params;
  return route.handle({ params, query, request, response });
}
