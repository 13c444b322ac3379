import { accountRefOf } from '@on-the-way/core';
import { exitCodes, HostError } from '../host-error.ts';

/** Whose data, as the data itself names it: 12 hex digits of an address, or the digits themselves. */
export function accountOption(command: string, account: string | undefined): string {
  const text = account?.trim() ?? '';
  if (/^[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  if (/^[^\s@]+@[^\s@]+$/.test(text)) return accountRefOf(text);
  throw new HostError(
    exitCodes.usage,
    `--account: expected an e-mail address or an account_ref of 12 hex digits, found ${text === '' ? 'none' : 'something else'}; ` +
      `for example otw ${command} --account 8c2a47d3bdb8`,
  );
}

/** What a command ends with when nothing is known of an account. */
export function nothingOf(ref: string): HostError {
  return new HostError(
    exitCodes.failed,
    `Expected data of the account ${ref}, found none in this database: check the address and the database; ` +
      `otw query "select distinct payload_json->>'account_ref' from raw.raw_event" lists the accounts there are`,
  );
}
