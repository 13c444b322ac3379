import { z } from 'zod';

/** A point in time as answers write it: RFC 3339 with the offset of the host's zone. */
export const timestamp = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$/)
  .meta({ description: 'RFC 3339 with offset', examples: ['2026-02-26T10:10:06+08:00'] });

/** A calendar day. */
export const day = z.iso.date('expected a day such as 2026-02-26');

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
  code: z.string(),
  message: z.string(),
  request_id: z.uuid(),
});

/** How many items a list gives at once. */
export function pageLimit(max: number, preset: number) {
  const expected = `expected a whole number from 1 to ${max}`;
  return z
    .string()
    .regex(/^\d{1,6}$/, expected)
    .transform(Number)
    .pipe(z.number().min(1, expected).max(max, expected))
    .default(preset);
}

/** An opaque cursor over rows in the order of an instant and an id, newest first. */
export const cursor = z
  .string()
  .max(200)
  .transform((text) => Buffer.from(text, 'base64url').toString('utf8').split(' '))
  .pipe(
    // Postgres has no year 0, which is a good instant to zod; nothing here is older than 1902.
    z.tuple([z.iso.datetime({ offset: true }).regex(/^(19|2)/), z.guid()], {
      error: 'expected a next_cursor of an earlier answer',
    }),
  )
  .transform(([at, id]) => ({ at, id }));

/** The cursor that goes on after this row. */
export function cursorAfter({ at, id }: { readonly at: string; readonly id: string }): string {
  return Buffer.from(`${at} ${id}`).toString('base64url');
}
