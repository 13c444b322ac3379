/** What a host may do of the whole; hosts of different roles share one database. */
export const roles = ['all', 'api', 'worker'] as const;

/** `all`: everything. `api`: the HTTP API and no runs. `worker`: runs, and of HTTP its health and metrics alone. */
export type Role = (typeof roles)[number];

/** Whether a host of this role runs its connections by schedule, and so needs their saved sessions. */
export function readsSources(role: Role): boolean {
  return role !== 'api';
}
