import pg from 'pg';
import { migrate } from '../host/src/storage/migrate.ts';

/** A database of its own on the server, with the product's tables. */
export async function makeDatabase(url: string, name: string): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const own = Object.assign(new URL(url), { pathname: `/${name}` }).href;
  await migrate(own, 'Asia/Shanghai');
  return own;
}
