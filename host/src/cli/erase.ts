import { existsSync } from 'node:fs';
import type { ConnectionConfig, HostConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { AlreadyRunning, claimConnection } from '../run-service.ts';
import type { Claim } from '../storage/claims.ts';
import { accountOf, countRows, inLongTransaction, type Account } from '../storage/account-data.ts';
import { eraseAccount, type Erased } from '../storage/erase.ts';
import { accountOption, nothingOf } from './account.ts';
import { isAgreed } from './agreed.ts';
import { withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { formatTable, print, printJson, say } from './output.ts';

/** Options of `otw erase`. */
export interface EraseOptions extends GlobalOptions {
  readonly account?: string;
  readonly yes?: boolean;
}

type Counts = Awaited<ReturnType<typeof countRows>>;

function showCounts(title: string, counts: Counts): string {
  return formatTable(
    ['table', title],
    Object.entries(counts).map(([table, count]) => [table, count]),
  );
}

/** Holds every connection of the account, so that no run writes what is being deleted. */
async function holdAll(
  { host }: CommandContext,
  connections: readonly string[],
): Promise<() => Promise<void>> {
  const held: Claim[] = [];
  const release = async (): Promise<void> => {
    for (const each of held.splice(0)) await each.release();
  };
  try {
    for (const name of connections) held.push(await claimConnection(host, name));
    return release;
  } catch (error) {
    await release();
    if (error instanceof AlreadyRunning)
      throw new HostError(exitCodes.failed, error.message, { cause: error });
    throw error;
  }
}

function sinkRemains({ sinks }: HostConfig, { name, sink }: ConnectionConfig): string[] {
  const used = sinks[sink];
  const isOwn = used?.plugin === '@on-the-way/sink-postgres' && used.config['connectionString'] === undefined;
  return isOwn ? [] : [`what ${name} wrote through the sink ${sink}, which is elsewhere: erase it there too`];
}

/** Where else the person's data may be, which this host cannot reach. */
function remains(config: HostConfig, connections: readonly string[]): string[] {
  const ours = config.connections.filter(({ name }) => connections.includes(name));
  return [
    ...ours.flatMap((connection) => sinkRemains(config, connection)),
    ...ours
      .filter(({ tokenDir }) => existsSync(tokenDir))
      .map(({ tokenDir }) => `token files in ${tokenDir}, which would sign in again: remove them`),
    ...(ours.length > 0 ? ['the configuration and its variables, which may name the account'] : []),
    'exports and recordings that were made, wherever they were put',
    'backups, replicas and archived WAL of the database, and pages Postgres has not reused yet',
    'tables that others made from raw.raw_event, such as dbt models',
    'log files of the host, which name the account by its ref',
  ];
}

function showErased(
  erased: Erased,
  outcome: { readonly paused: readonly string[]; readonly left: string[] },
): void {
  print(showCounts('rows deleted', erased.deleted));
  print(`app.request_audit: ${erased.pseudonymised} lines name nobody any more`);
  for (const name of outcome.paused) {
    say(`${name} is paused, since it would read the account again: otw resume ${name} when that is wanted.`);
  }
  say('This host cannot reach, so look there yourself:');
  for (const line of outcome.left) say(`  - ${line}`);
}

async function erase(context: CommandContext, account: Account, json: boolean): Promise<number> {
  const { config, storage } = context;
  const { connections, ref } = account;
  const paused = config.connections.map(({ name }) => name).filter((name) => connections.includes(name));
  const release = await holdAll(context, connections);
  try {
    const place = { databaseUrl: storage.url, timeZone: config.timeZone };
    const erased = await eraseAccount(place, account, paused);
    const left = remains(config, connections);
    if (json) {
      const { deleted, pseudonymised } = erased;
      printJson({ account_ref: ref, deleted, pseudonymised, paused, may_remain: left });
    } else showErased(erased, { paused, left });
    return exitCodes.done;
  } finally {
    await release();
  }
}

/** `otw erase`: deletes everything there is of a person, after asking. */
export function eraseCommand(options: EraseOptions): Promise<number> {
  const ref = accountOption('erase', options.account);
  return withContext(options, { role: 'erase' }, async (context) => {
    const { config, storage } = context;
    const place = { databaseUrl: storage.url, timeZone: config.timeZone };
    const { account, counts } = await inLongTransaction(place, 'begin read only', async (client) => {
      const found = await accountOf(client, ref, config.connections);
      return { account: found, counts: await countRows(client, found) };
    });
    if (Object.keys(counts).length === 0) throw nothingOf(ref);
    if (options.yes !== true) say(showCounts('rows', counts));
    const question = `Delete all of this for good? otw export --account ${ref} takes a copy first.`;
    if (!(await isAgreed({ question, example: `otw erase --account ${ref} --yes`, yes: options.yes }))) {
      say('Nothing was changed.');
      return exitCodes.done;
    }
    return erase(context, account, options.json === true);
  });
}
