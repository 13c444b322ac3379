import pg from 'pg';
import { afterEach, expect, inject, test } from 'vitest';
import { migrated } from './migrated-template.ts';
import { dropTemplates, makeTemplate, type Template } from './postgres-template.ts';

const prefix = 'template_of_a_test_';
const url = inject('postgresUrl');
let filled = 0;

afterEach(() => dropTemplates(url, prefix));

function templateOf(version: string, fill: Template['fill'] = async () => undefined): Template {
  return {
    prefix,
    version,
    fill(address) {
      filled += 1;
      return fill(address);
    },
  };
}

async function names(): Promise<string[]> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database');
  await client.end();
  return rows.map(({ datname }) => datname).filter((name) => name.startsWith(prefix));
}

test('a template is made anew for other migrations, and after a run that was killed', async () => {
  const killed = makeTemplate(
    url,
    templateOf('a', () => Promise.reject(new Error('killed'))),
  );
  await expect(killed).rejects.toThrow('killed');
  expect(await names()).toEqual([`${prefix}begun`]);
  for (const version of ['a', 'a', 'b']) {
    expect(await makeTemplate(url, templateOf(version))).toBe(prefix + version);
    expect(await names()).toEqual([prefix + version]);
  }
  expect(filled).toBe(3);
  await dropTemplates(url, prefix);
  expect(await names()).toEqual([]);
});

test('the migrations say which version it is', () => {
  expect(migrated().version).toMatch(/^[0-9a-f]{16}$/);
  expect(migrated().version).toBe(migrated().version);
});
