/**
 * SQL for a point in time as the API prints it: RFC 3339 with the offset of the session's zone, microseconds kept,
 * whole seconds without a fraction. `column` is SQL too, never what somebody sent.
 */
export function instantText(column: string): string {
  return `replace(to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.USTZH:TZM'), '.000000', '')`;
}
