import { characters, parseInstant } from '@on-the-way/sdk';
import { z } from 'zod';
import { ApiError, refusalCodes } from './api-error.ts';

/** A point in time as answers write it: RFC 3339 with the offset of the host's zone. */
export const timestamp = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$/)
  .meta({ description: 'RFC 3339 with offset', examples: ['2026-02-26T10:10:06+08:00'] });

// As far back as points in time are taken; far enough ahead, and days can be added to it.
const firstDay = '1902-01-01';
const lastDay = '2200-12-31';

/** A calendar day of the years that can be counted in. */
export const day = z.iso
  .date('expected a day such as 2026-02-26')
  .refine((text) => text >= firstDay && text <= lastDay, `expected a day from ${firstDay} to ${lastDay}`)
  .meta({ description: `A day from ${firstDay} to ${lastDay}` });

/** Refuses a last day before the first one. */
export function expectOrder(from: string | undefined, to: string | undefined): void {
  if (from === undefined || to === undefined || from <= to) return;
  throw new ApiError(422, 'INVALID_ARGUMENT', `from: expected a day up to ${to}, found ${from}`);
}

/** Text that is looked for in the database: 1 to `max` characters, none of them a control character. */
export function plainText(max: number) {
  return characters(1, max).refine(
    (found) => !/\p{Cc}/u.test(found) && found.isWellFormed(),
    'expected text without control characters',
  );
}

/** The name of a connection, in a path or a query. */
export const connectionName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'expected the name of a connection');

/** `{"status":"ok", …}` with these members. */
export function ok<Shape extends z.core.$ZodLooseShape>(members: Shape) {
  return z.strictObject({ status: z.literal('ok'), ...members });
}

/** Every refusal. */
export const refusal = z.strictObject({
  status: z.literal('error'),
  code: z.enum(refusalCodes),
  message: z.string(),
  request_id: z.uuid(),
});

/** How many items a list gives at once. */
export function pageLimit(max: number, preset: number) {
  const expected = `expected a whole number from 1 to ${max}`;
  return z
    .string()
    .refine((digits) => /^\d{1,6}$/.test(digits) && Number(digits) >= 1 && Number(digits) <= max, expected)
    .meta({ type: 'integer', minimum: 1, maximum: max, default: preset })
    .transform(Number)
    .default(preset);
}

/** An opaque cursor over rows in the order of an instant and an id, newest first. */
export const cursor = z
  .string()
  .max(200)
  .transform((opaque, context) => {
    const [at, id, ...more] = Buffer.from(opaque, 'base64url').toString('utf8').split(' ');
    const instant = parseInstant(at);
    if (instant && z.guid().safeParse(id).success && more.length === 0) return { at: instant.text, id: id! };
    context.addIssue('expected a next_cursor of an earlier answer');
    return z.NEVER;
  });

/** The cursor that goes on after this row. */
export function cursorAfter({ at, id }: { readonly at: string; readonly id: string }): string {
  return Buffer.from(`${at} ${id}`).toString('base64url');
}
