import { join } from 'node:path';

/** Where the parts of an embedded database lie below its directory. */
export interface Layout {
  /** The whole: owned by the host's user. */
  readonly directory: string;
  /** The Postgres cluster itself: owned by the user Postgres runs as. */
  readonly cluster: string;
  /** The superuser's password, mode 0600. */
  readonly password: string;
  /** What Postgres says. */
  readonly log: string;
}

/** The layout below a directory; reads nothing. */
export function layoutOf(directory: string): Layout {
  return {
    directory,
    cluster: join(directory, 'cluster'),
    password: join(directory, 'password'),
    log: join(directory, 'postgres.log'),
  };
}

/** Superuser and database have the product's short name. */
export const databaseName = 'otw';
