import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createBus } from '@on-the-way/core';
import { connectorErrorCodes } from '@on-the-way/sdk';
import { describe, expect, test } from 'vitest';
import { otherTests } from '../host/chaos/other-tests.ts';
import { suite } from '../host/chaos/suite.ts';
import { createProgram } from '../host/src/cli/program.ts';
import { variables } from '../host/src/config/variables.ts';
import { exitCodes } from '../host/src/host-error.ts';
import { pluginErrorCodes } from '../host/src/isolate/plugin-error.ts';
import { createMetrics } from '../host/src/metrics.ts';
import { openDatabase } from '../host/src/storage/database.ts';
import { createMigratedDatabase } from '../host/test/postgres.ts';
import { datasetTable } from '../plugins/garmin/src/datasets/index.ts';
import { faults } from '../sdk/src/testing/faults.ts';
import { compileFences } from './compile-fences.ts';
import { allPages, readPage, root, section, tableRows, type Page } from './markdown.ts';

const pages = allPages();

function sources(folder: string): string {
  const paths = globSync(`${folder}/**/*.ts`, { cwd: root }).filter((path) => !path.endsWith('.test.ts'));
  return paths.map((path) => readFileSync(join(root, path), 'utf8')).join('\n');
}

function matches(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, found = '']) => found))].toSorted();
}

function unquoted(cell: string | undefined): string {
  return (cell ?? '').replaceAll('`', '');
}

describe('every page', () => {
  function brokenLinks({ path, links }: Page): string[] {
    return links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !readPage(target).headings.some((heading) => heading.anchor === anchor);
    });
  }

  test.each(pages.map((page) => [page.path, page] as const))(
    '%s has links that lead somewhere',
    (_, page) => {
      expect(brokenLinks(page)).toEqual([]);
    },
  );

  test('has TypeScript that compiles', () => {
    expect(compileFences(pages)).toBe('');
  });

  test('speaks of this repository alone', () => {
    expect(pages.filter(({ text }) => /\bshared\//.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test('of docs is in the table of contents', () => {
    const index = readPage('docs/index.md');
    const listed = new Set(index.links.map((link) => join('docs', link.split('#')[0] ?? '')));
    const inDocs = pages
      .map(({ path }) => path)
      .filter((path) => path.startsWith('docs/') && path !== index.path);
    expect(inDocs.filter((path) => !listed.has(path))).toEqual([]);
  });
});

describe('pages in Chinese', () => {
  const chinese = pages.filter(({ path }) => path.startsWith('docs/zh/'));

  test.each(chinese.map((page) => [page.path, page] as const))(
    '%s says the same as its English page: the same headings and fences',
    (path, page) => {
      const english = readPage(path.replace('docs/zh/', 'docs/'));
      expect(page.headings.map(({ level }) => level)).toEqual(english.headings.map(({ level }) => level));
      expect(page.fences.map(({ text }) => text)).toEqual(english.fences.map(({ text }) => text));
    },
  );

  test('stand beside every page about signing in', () => {
    const english = pages.filter(({ path }) => path.startsWith('docs/sign-in'));
    const missing = english.filter(({ path }) =>
      chinese.every((page) => page.path !== path.replace('docs/', 'docs/zh/')),
    );
    expect(english.length).toBeGreaterThan(5);
    expect(missing).toEqual([]);
  });
});

describe('README', () => {
  const english = readPage('README.md');
  const chinese = readPage('README.zh-CN.md');

  test('has at most 120 lines', () => {
    expect(english.text.trimEnd().split('\n').length).toBeLessThanOrEqual(120);
  });

  test('shows the example connector as it is', () => {
    const example = readFileSync(join(root, 'examples/hello-connector/index.ts'), 'utf8');
    for (const page of [english, readPage('sdk/README.md')])
      expect(page.fences.map(({ text }) => text)).toContain(example);
  });

  test('says the same in Chinese: the same headings, fences and links', () => {
    expect(chinese.headings.map(({ level }) => level)).toEqual(english.headings.map(({ level }) => level));
    const code = ({ fences }: Page) => fences.map(({ language, text }) => ({ language, text }));
    expect(code(chinese)).toEqual(code(english));
    const links = (page: Page) => page.links.filter((link) => !link.startsWith('README')).toSorted();
    expect(links(chinese)).toEqual(links(english));
  });
});

describe('errors.md', () => {
  /** Codes of the host, beside those that plugins may throw. */
  const hostCodes = [
    'plugin_bug',
    ...pluginErrorCodes,
    'process_died',
    'memory_limit',
    'stalled',
    'wall_limit',
    'breaker_open',
    'budget_spent',
    'slices_failed',
    'conflict',
    'interrupted',
    'fenced',
    'host_ended',
    'not_begun',
    'already_running',
    'usage',
    'internal',
  ];
  const page = readPage('docs/errors.md');
  const code = `${sources('core/src')}\n${sources('host/src')}`;

  test('has a heading for every code and no other', () => {
    const headings = page.headings.filter(({ level }) => level === 2).map(({ text }) => text);
    expect(headings).toEqual([...connectorErrorCodes, ...hostCodes]);
  });

  test('knows every code that core and host make', () => {
    const made = matches(code, /\b(?:code(?: =|:)|error_code =) '([a-z_]+)'(?! in)/g);
    const known = new Set<string>([...connectorErrorCodes, ...hostCodes]);
    expect(made.filter((name) => !known.has(name))).toEqual([]);
    expect(hostCodes.filter((name) => !code.includes(`'${name}'`))).toEqual([]);
  });

  test.each(page.headings.filter(({ level }) => level === 2))('$text says what to do', ({ text }) => {
    for (const part of ['**Means:**', '**The host:**', '**Do:**'])
      expect(section(page, text)).toContain(part);
  });
});

test('errors.md says which codes the suite takes for each fault', () => {
  const shown = tableRows(section(readPage('docs/errors.md'), 'Which code to throw')).map(
    ([name, codes]) => [name, unquoted(codes).split(', ')] as const,
  );
  expect(shown.slice(0, faults.length)).toEqual(faults.map(({ name, codes }) => [name, [...codes]]));
});

describe('cli.md', () => {
  const page = readPage('docs/cli.md');
  // A group of commands stands before its own.
  const commands = createProgram('0.0.0', () => undefined).commands.flatMap((command) => [
    [command.name(), command] as const,
    ...command.commands.map((own) => [`${command.name()} ${own.name()}`, own] as const),
  ]);

  test('has a section for every command and no other', () => {
    const headings = page.headings.map(({ text }) => text).filter((text) => text.startsWith('otw '));
    expect(headings).toEqual(commands.map(([name]) => `otw ${name}`));
  });

  test.each(commands)('has the options of %s', (name, command) => {
    const common = new Set(['--config', '--json', '--verbose']);
    const own = command.options.map(({ long }) => long ?? '').filter((long) => !common.has(long));
    const shown = tableRows(section(page, `otw ${name}`)).map(([cell]) => unquoted(cell).split(' ')[0]);
    expect(shown).toEqual(own);
  });

  test('has the exit codes', () => {
    const rows = tableRows(section(page, 'Exit codes')).map(([code, name]) => [name, Number(code)]);
    expect(Object.fromEntries(rows)).toEqual(exitCodes);
  });
});

test('configuration.md has every variable and no other', () => {
  const rows = tableRows(section(readPage('docs/configuration.md'), 'Environment variables'));
  expect(rows.map(([name]) => unquoted(name))).toEqual(Object.keys(variables));
});

test('http.md has every path and every code', () => {
  const page = readPage('docs/http.md');
  const code = sources('host/src/http');
  const paths = [...code.matchAll(/\bmethod: '(\w+)',\s*path: '([^']+)'/g)].map(
    ([, method = '', path = '']) => `${method.toUpperCase()} ${path}`,
  );
  const headings = page.headings.map(({ text }) => text).filter((text) => /^(GET|POST|DELETE) /.test(text));
  expect(headings.toSorted()).toEqual(paths.toSorted());
  const codes = tableRows(section(page, 'Errors')).map(([cell]) => unquoted(cell));
  const made = matches(code, /new ApiError\(\s*[\w.]+,\s*'([A-Z_]+)'/g);
  // What a contract may refuse with by itself.
  const contracts = readFileSync(join(root, 'sdk/src/ingest.ts'), 'utf8');
  const ofContracts = matches(contracts, /[=|] '([A-Z_]{2,})'/g);
  expect([...new Set(codes)].toSorted()).toEqual([...new Set([...made, ...ofContracts])].toSorted());
});

test('metrics.md has every metric and no other', async () => {
  const metrics = createMetrics(createBus(), {
    streams: () => 0,
    pool: () => ({ used: 0, idle: 0, waiting: 0 }),
    processes: () => ({ busy: 0, idle: 0, waiting: 0 }),
    lastSuccesses: async () => new Map(),
    queue: { jobs: async () => [], takeovers: () => 0, fencedWrites: () => 0 },
  });
  const made = matches(await metrics.text(), /^# TYPE (\w+)/gm);
  const page = readPage('docs/metrics.md');
  const shown = tableRows(section(page, 'Metrics')).map(([name]) => unquoted(name).replace(/\{.*/, ''));
  expect(shown.toSorted()).toEqual(made.filter((name) => name.startsWith('otw_')).toSorted());
});

test('garmin.md has the datasets as they are', () => {
  const rows = tableRows(section(readPage('docs/garmin.md'), 'Datasets'));
  const shown = Object.entries(datasetTable).map(([name, entry]) => {
    const requests = 'path' in entry.request ? [entry.request] : entry.request;
    const span = entry.granularity === 'range' ? entry.spanDays : 1;
    const paths = [...new Set(requests.map((request) => `\`${request.path}\``))].join('<br>');
    return [
      `\`${name}\``,
      entry.granularity,
      String(span),
      String(entry.settleDays),
      paths,
      entry.description,
    ];
  });
  expect(rows).toEqual(shown);
});

test('tables.md has the columns as they are, and queries that run', async () => {
  const page = readPage('docs/tables.md');
  const { url, drop } = await createMigratedDatabase();
  const database = openDatabase(url, 'Asia/Shanghai');
  try {
    const { rows } = await database.raw<{ rows: { name: string; column: string; type: string }[] }>(
      `select table_schema || '.' || table_name as name, column_name as column,
         replace(data_type, 'timestamp with time zone', 'timestamptz') as type
       from information_schema.columns where table_schema in ('raw', 'app') and table_name not like 'migration%'
       order by table_schema, table_name, ordinal_position`,
    );
    for (const [name, columns] of Map.groupBy(rows, (row) => row.name)) {
      const shown = tableRows(section(page, name)).map(([column, type]) => [unquoted(column), type]);
      expect([name, shown]).toEqual([name, columns.map(({ column, type }) => [column, type])]);
    }
    for (const { language, text } of page.fences) if (language === 'sql') await database.raw(text);
  } finally {
    await database.destroy();
    await drop();
  }
});

test('why-the-ledger.md has queries that tell what is missing and what was lost', async () => {
  const [missing = '', lost = ''] = readPage('docs/why-the-ledger.md')
    .fences.filter(({ language }) => language === 'sql')
    .map(({ text }) => text);
  const { url, drop } = await createMigratedDatabase();
  const database = openDatabase(url, 'Asia/Shanghai');
  const found = async (sql: string) => {
    const { rows } = await database.raw<{ rows: Record<string, unknown>[] }>(sql);
    return rows.map(({ dataset, found: outcome }) => [dataset, outcome]);
  };
  try {
    await database.raw(`insert into app.connection_state (connection, backfill_from, datasets) values ('own', current_date - 4,
      '[{"name":"steps","granularity":"day"},{"name":"weight","granularity":"snapshot"}]')`);
    await database.raw(`insert into app.slice_ledger
        (connection, dataset, day, outcome, digest, attempts, run_id, plugin_version, first_attempt_at, last_attempt_at)
      select 'own', 'steps', current_date - ago, outcome, digest, 1, gen_random_uuid(), '0.1.0', now(), now()
      from (values (4, 'ok', 'aaaaaaaaaaaaaaaa'), (3, 'failed', null), (2, 'no_data', null)) as day (ago, outcome, digest)`);
    expect(await found(missing)).toEqual([
      ['steps', 'failed'],
      ['steps', 'gap'],
    ]);
    expect(await found(lost)).toEqual([['steps', undefined]]);
  } finally {
    await database.destroy();
    await drop();
  }
});

test('chaos.md has the parts of npm run chaos, and the tests of the faults that have their own', () => {
  const [parts, others] = [readPage('docs/chaos.md')].flatMap(({ text }) => {
    const tables = text
      .split('\n\n')
      .filter((block) => block.startsWith('| part') || block.startsWith('| faults'));
    return tables.map((table) => table.split('\n').slice(2));
  });
  expect(parts?.map((row) => /`(\w+)`/.exec(row)?.[1])).toEqual(
    suite({ long: true }).map(({ name }) => name),
  );
  const shown = others?.map((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, file]) => file));
  expect(shown).toEqual(otherTests.map(({ files }) => files));
  expect(otherTests.flatMap(({ files }) => files).filter((file) => !existsSync(join(root, file)))).toEqual(
    [],
  );
});
