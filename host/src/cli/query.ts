import { Client, type QueryConfig } from 'pg';
import { exitCodes, HostError } from '../host-error.ts';
import { clientConfig, isUnreachable, unreachable } from '../storage/database.ts';
import { readerUrl } from '../storage/reader.ts';
import { withContext, type GlobalOptions } from './context.ts';
import { formatTable, print, printJson, say, simulatedNote } from './output.ts';

// int8, int2, int4: everything else stays as Postgres writes it.
const integers = new Set([20, 21, 23]);

function shown(value: unknown): string | number {
  if (typeof value === 'number') return value;
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `otw query`: one read-only statement. */
export function queryCommand(sql: string, options: GlobalOptions): Promise<number> {
  return withContext(options, { role: 'query' }, async ({ config, storage }) => {
    // Text as Postgres prints it, so that the session's zone and every digit are kept.
    const types = {
      getTypeParser: (oid: number) => (text: string) =>
        integers.has(oid) && Number.isSafeInteger(Number(text)) ? Number(text) : text,
    };
    const url = storage.kind === 'external' ? storage.url : await readerUrl(storage.url, config.timeZone);
    const client = new Client({ ...clientConfig(url, config.timeZone), types });
    await client.connect();
    try {
      await client.query('begin read only');
      // The extended protocol takes one statement, so nothing can end the read-only transaction from inside.
      const statement: QueryConfig & { queryMode: 'extended' } = { text: sql, queryMode: 'extended' };
      const { rows, fields } = await client.query<Record<string, unknown>>(statement);
      if (options.json === true) printJson({ rows });
      else {
        const names = fields.map(({ name }) => name);
        print(
          formatTable(
            names,
            rows.map((row) => names.map((name) => shown(row[name]))),
          ),
        );
        if (config.demo) say(simulatedNote);
        say(`${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`);
      }
      return exitCodes.done;
    } catch (cause) {
      // Of a database that anybody may only read it would mean to try elsewhere; here it is what was asked for.
      const isRefusal = cause instanceof Error && 'code' in cause && cause.code === '25006';
      if (!isRefusal && isUnreachable(cause)) throw unreachable(storage.url, cause);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError(
        exitCodes.failed,
        `Expected one statement that only reads, but Postgres says: ${why}`,
        { cause },
      );
    } finally {
      await client.end();
    }
  });
}
