/**
 * What may go wrong between the host and its database:
 *
 * - `data_dir_in_use`: another process holds the data directory.
 * - `no_postgres`: no Postgres binaries that run here.
 * - `version_mismatch`: the cluster was made by another major version than the binaries found.
 * - `permission`: a file or directory is not this user's to use.
 * - `no_user_name`: the user id has no passwd entry, and initdb insists on one.
 * - `init_failed`: the cluster could not be created.
 * - `start_failed`: the server did not come up, or would not go away.
 */
export type StorageErrorCode =
  | 'data_dir_in_use'
  | 'no_postgres'
  | 'version_mismatch'
  | 'permission'
  | 'no_user_name'
  | 'init_failed'
  | 'start_failed';

/** The one error thrown on purpose by storage; the message is shown to people and holds no secret. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  /** What went wrong, for exit codes. */
  readonly code: StorageErrorCode;

  /** Makes the error; `cause` is kept for the log. */
  constructor(code: StorageErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** Node's code of a system error (`ENOENT`), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
