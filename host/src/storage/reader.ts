import { createHmac } from 'node:crypto';
import { Client } from 'pg';
import { clientConfig } from './database.ts';

const role = 'otw_read';
// Any number will do, as long as every command uses this one.
const lockKey = 7_206_502;

/** Known to whoever knows the owner's password, and to nobody else; so it need not be stored. */
function passwordFrom(ownerPassword: string): string {
  return createHmac('sha256', ownerPassword).update(role).digest('hex');
}

function grants(password: string): string {
  return `
    do $$ begin
      if not exists (select from pg_roles where rolname = '${role}') then create role ${role}; end if;
    end $$;
    alter role ${role} with login nosuperuser nocreatedb nocreaterole noinherit password '${password}';
    alter role ${role} set default_transaction_read_only = on;
    grant usage on schema raw, app to ${role};
    grant select on all tables in schema raw, app to ${role};`;
}

/**
 * The address of the embedded database for someone who only reads. Its owner is a superuser, who could
 * run programs and read files even in a read-only transaction; this role can select and nothing else.
 */
export async function readerUrl(ownerUrl: string, timeZone: string): Promise<string> {
  const url = new URL(ownerUrl);
  const password = passwordFrom(decodeURIComponent(url.password));
  const owner = new Client(clientConfig(ownerUrl, timeZone));
  await owner.connect();
  try {
    await owner.query('select pg_advisory_lock($1)', [lockKey]);
    await owner.query(grants(password));
  } finally {
    await owner.end();
  }
  url.username = role;
  url.password = password;
  return url.href;
}
