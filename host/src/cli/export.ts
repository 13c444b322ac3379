import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { formatInstant } from '@on-the-way/sdk';
import { exitCodes, HostError } from '../host-error.ts';
import { accountOf, countRows, inLongTransaction } from '../storage/account-data.ts';
import { exportTables, type ExportFormat, type ExportedFile } from '../storage/export.ts';
import { accountOption, nothingOf } from './account.ts';
import { withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { formatTable, print, printJson, say, simulatedNote } from './output.ts';

/** Options of `otw export`. */
export interface ExportOptions extends GlobalOptions {
  readonly account?: string;
  readonly out?: string;
  readonly format?: string;
}

const formatsOf: Readonly<Record<string, readonly ExportFormat[]>> = {
  ndjson: ['ndjson'],
  csv: ['csv'],
  both: ['ndjson', 'csv'],
};

function formatOption(format = 'both'): readonly ExportFormat[] {
  const formats = formatsOf[format];
  if (formats) return formats;
  throw new HostError(
    exitCodes.usage,
    `--format: expected ndjson, csv or both, found ${JSON.stringify(format)}`,
  );
}

function freeFolder(path: string): string {
  const folder = resolve(path);
  if (!existsSync(folder) || readdirSync(folder).length === 0) return folder;
  throw new HostError(
    exitCodes.usage,
    `--out: expected a folder that is empty or not there yet, found ${folder} with files in it; give another one`,
  );
}

/** What an export says of itself; the file that is written last. */
interface Manifest {
  readonly account_ref: string;
  readonly exported_at: string;
  readonly time_zone: string;
  readonly connections: readonly string[];
  readonly files: readonly ExportedFile[];
  readonly left_out: readonly string[];
}

const leftOut = [
  'app.connector_session: what keeps the account signed in; a secret, and worth nothing elsewhere',
  'app.request_audit: it belongs to requests, and names an event by its key alone',
];

async function exportAccount(
  { config, storage }: CommandContext,
  ref: string,
  to: { readonly folder: string; readonly formats: readonly ExportFormat[] },
): Promise<Manifest> {
  const { timeZone } = config;
  const place = { databaseUrl: storage.url, timeZone };
  // One moment for all tables, whatever is written meanwhile.
  return inLongTransaction(place, 'begin isolation level repeatable read read only', async (client) => {
    const account = await accountOf(client, ref, config.connections);
    if (Object.keys(await countRows(client, account)).length === 0) throw nothingOf(ref);
    const files = await exportTables(client, { account, timeZone, ...to });
    return {
      account_ref: ref,
      exported_at: formatInstant(Date.now(), timeZone),
      time_zone: timeZone,
      connections: account.connections,
      files,
      left_out: leftOut,
    };
  });
}

/** `otw export`: everything there is of a person, in files that can be read and posted again. */
export function exportCommand(options: ExportOptions): Promise<number> {
  const ref = accountOption('export', options.account);
  const formats = formatOption(options.format);
  const folder = freeFolder(options.out ?? `otw-export-${ref}`);
  return withContext(options, { role: 'export' }, async (context) => {
    const manifest = await exportAccount(context, ref, { folder, formats });
    const path = join(folder, 'manifest.json');
    writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    if (options.json === true) printJson({ out: folder, ...manifest });
    else {
      print(
        formatTable(
          ['file', 'rows', 'bytes'],
          manifest.files.map(({ name, rows, bytes }) => [name, rows, bytes]),
        ),
      );
      if (context.config.demo) say(simulatedNote);
      say(`In ${folder}. It holds health data in clear: keep it where only its owner can read it.`);
    }
    return exitCodes.done;
  });
}
