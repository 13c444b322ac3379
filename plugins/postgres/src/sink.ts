import { defineSink, secret } from '@on-the-way/sdk';
import { z } from 'zod';
import { checkTable } from './check-table.ts';
import { connections, connectPool } from './connect-pool.ts';
import { createPlaces } from './places.ts';
import { translateError } from './translate-error.ts';
import { writeBatch } from './write-batch.ts';

function isTimeZone(value: string): boolean {
  // Intl takes offsets as well, which Postgres reads with the opposite sign.
  if (!/^[A-Za-z]/.test(value)) return false;
  try {
    Intl.DateTimeFormat('en-US', { timeZone: value });
    return true;
  } catch {
    // A RangeError is how Intl says no.
    return false;
  }
}

const config = z.strictObject({
  /** `postgresql://user:password@host:port/database`; SQLAlchemy's `postgresql+psycopg://` means the same. */
  connectionString: secret(),
  /** The zone of the times answered, an IANA name; by default the database's own. */
  timeZone: z.string().refine(isTimeZone, 'Expected an IANA time zone such as Asia/Shanghai').optional(),
});

/** Stores raw events in `raw.raw_event` of a Postgres database, once each. */
export const postgresSink = defineSink({
  name: 'postgres',
  version: '0.1.0',
  description: 'Stores raw events in raw.raw_event of a Postgres database, once each',
  config,
  async open({ config: { connectionString, timeZone }, log }) {
    const pool = connectPool(connectionString, log);
    let hasLz4: boolean;
    try {
      ({ hasLz4 } = await checkTable(pool));
    } catch (error) {
      await pool.end();
      throw translateError(error);
    }
    const own = { pool, places: createPlaces(connections), dialect: { timeZone, hasLz4 } };
    const replay = { isOn: false };
    return {
      write: (batch, { signal }) => writeBatch({ ...own, signal }, batch, { replay }),
      writeAudited: (batch, { signal, audit }) => writeBatch({ ...own, signal }, batch, { replay, audit }),
      close: () => pool.end(),
    };
  },
});
