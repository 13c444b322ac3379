import { ConnectorError } from '@on-the-way/sdk';
import type { ConnectorErrorCode } from '@on-the-way/sdk';

/** The five characters by which Postgres names an error; undefined for errors that are not the server's. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** True for a value that Postgres cannot hold: bad text, number, date, too deep, too long for the index. */
export function isBadValue(error: unknown): boolean {
  return /^(?:22|54|23502|23514)/.test(sqlStateOf(error) ?? '');
}

/** True for a transaction that lost against another and may simply be run again. */
export function isSerialisation(error: unknown): boolean {
  return ['40001', '40P01'].includes(sqlStateOf(error) ?? '');
}

// Connection lost, resources, operator, deadlock, lock timeout, read-only after a failover, I/O error.
const passing = /^(?:08|40|53|57|58|25006|55P03|55006)/;
// Credentials, unknown database, missing table or column, missing permission.
const settings = /^(?:28|3D|3F|42)/;

function codeOfState(state: string): ConnectorErrorCode {
  if (passing.test(state)) return 'transient';
  return settings.test(state) ? 'config' : 'source';
}

// What TLS and SCRAM refuse does not pass by itself.
const refusal = /^(?:SASL|CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|The server does not support SSL)/;

function systemCode(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const remedies: Readonly<Partial<Record<ConnectorErrorCode, string>>> = {
  transient: 'it is worth trying again',
  config:
    'check connectionString, and the rights of its user on raw.raw_event, and TEMPORARY on the database',
  source: "see the database's log",
};

function connectorError(code: ConnectorErrorCode, found: string, error: Error): ConnectorError {
  const message = `Expected Postgres to store the events, got ${found}: ${remedies[code]}`;
  return new ConnectorError(code, message, { cause: withoutDetails(error) });
}

/** What the log may see: the server's `detail` and `where` quote the values that were sent. */
export function withoutDetails(error: Error): Error {
  const state = sqlStateOf(error);
  const clean = new Error(state !== undefined && isBadValue(error) ? `SQLSTATE ${state}` : error.message);
  return Object.assign(clean, { code: state ?? systemCode(error) });
}

/** An error of the database as what it means for the run; anything that is not one is returned as it is. */
export function translateError(error: unknown): unknown {
  if (!(error instanceof Error) || ConnectorError.is(error)) return error;
  const state = sqlStateOf(error);
  if (state !== undefined)
    return connectorError(codeOfState(state), `SQLSTATE ${state} (${error.message})`, error);
  // Errors of the driver and of the network are plain ones; a mistake in our own code is not.
  if (error.constructor !== Error && error.constructor.name !== 'AggregateError') return error;
  const said = systemCode(error) ?? error.message;
  return connectorError(refusal.test(said) ? 'config' : 'transient', said, error);
}
