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

/** Takes it away again, so that what Postgres still does about it falls into nobody's figures. */
export async function dropDatabase(url: string, name: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`drop database ${name} with (force)`);
  await client.query('checkpoint');
  await client.end();
}
