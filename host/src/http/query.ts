import type { Request } from 'express';
import type { z } from 'zod';
import { ApiError } from './api-error.ts';

/**
 * The request's query by a strict schema: unknown names and repeated ones are refused.
 *
 * @throws ApiError 422.
 */
export function queryOf<Schema extends z.ZodType>(request: Request, schema: Schema): z.output<Schema> {
  const repeated = Object.entries(request.query).find(([, value]) => typeof value !== 'string');
  if (repeated)
    throw new ApiError(422, 'INVALID_ARGUMENT', `Expected ${repeated[0]} at most once in the query`);
  const result = schema.safeParse(request.query);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') || 'query';
  throw new ApiError(422, 'INVALID_ARGUMENT', `${where}: ${issue?.message ?? 'is not what it should be'}`);
}
