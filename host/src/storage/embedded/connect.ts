import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { databaseName } from './layout.ts';

/** How to reach the server. */
export interface Address {
  readonly port: number;
  readonly password: string;
}

/** The address as others take it. */
export function urlOf({ port, password }: Address): string {
  return `postgresql://${databaseName}:${password}@127.0.0.1:${port}/${databaseName}`;
}

/** A port that is free at this moment; someone may still take it before us. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function withClient<T>(
  { port, password }: Address,
  database: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: databaseName,
    password,
    database,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Opens one connection, making the database if it is not there yet. */
async function tryConnect(address: Address): Promise<void> {
  try {
    await withClient(address, databaseName, (client) => client.query('SELECT 1'));
  } catch (error) {
    if ((error as { code?: unknown }).code !== '3D000') throw error;
    await withClient(address, 'postgres', (client) => client.query(`CREATE DATABASE ${databaseName}`));
  }
}

/** True for what a server answers while it comes up: nobody listens yet, or it still recovers. */
function isStarting(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === '57P03';
}

/** Resolves when the database takes queries; recovery after a crash may take a while. */
export async function waitUntilReady(address: Address, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await tryConnect(address);
    } catch (error) {
      if (!isStarting(error)) throw error;
      await delay(25, undefined, { signal });
    }
  }
}
