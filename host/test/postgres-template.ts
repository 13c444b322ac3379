import pg from 'pg';

// Loaded by the global setup too, which finds no package of ours before it is built.

/** What tests copy databases from. */
export interface Template {
  /** What the names of all its versions begin with, and no other database's. */
  readonly prefix: string;
  /** Changes with what is in it. */
  readonly version: string;
  /** Fills an empty database. */
  readonly fill: (url: string) => Promise<void>;
}

/** Of the template that is migrated. */
export const migratedPrefix = 'migrated_';
// Any number that no host uses.
const templateLock = 7_206_599;

/** Calls `work` with a session that nobody else who changes templates has beside it. */
async function alone<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [templateLock]);
    return await work(client);
  } finally {
    await client.end();
  }
}

async function namesOf(client: pg.Client, prefix: string): Promise<string[]> {
  const sql = 'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)';
  const { rows } = await client.query<{ name: string }>(sql, [prefix]);
  return rows.map(({ name }) => name);
}

async function drop(client: pg.Client, names: readonly string[]): Promise<void> {
  for (const name of names) await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
}

/**
 * Makes the database unless it is there, and gives back its name. Other versions of it are dropped then, as is what a
 * run that was killed left half made: a server serves one run at a time.
 */
export function makeTemplate(url: string, { prefix, version, fill }: Template): Promise<string> {
  const name = prefix + version;
  return alone(url, async (client) => {
    const found = await namesOf(client, prefix);
    if (found.includes(name)) return name;
    await drop(client, found);
    const begun = `${prefix}begun`;
    await client.query(`CREATE DATABASE ${begun} TEMPLATE template0`);
    const begunUrl = new URL(url);
    begunUrl.pathname = `/${begun}`;
    await fill(begunUrl.href);
    await client.query(`ALTER DATABASE ${begun} RENAME TO ${name}`);
    return name;
  });
}

/** Drops all versions of a template. */
export function dropTemplates(url: string, prefix = migratedPrefix): Promise<void> {
  return alone(url, async (client) => drop(client, await namesOf(client, prefix)));
}
