import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

// What holds for the repository as a whole.
const root = join(import.meta.dirname, '..');

function filesOf(pattern: RegExp): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed.split('\n').filter((file) => pattern.test(file));
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function importsOf(file: string): string[] {
  return [...read(file).matchAll(/(?:from|import|import\()\s*'([^']+)'/g)].flatMap((match) => match[1] ?? []);
}

/** Who may import whom. Tests may use more: they stand outside of what is shipped. */
const law: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^sdk\/src\//, []],
  [/^core\/src\//, ['@on-the-way/sdk']],
  [/^plugins\/[^/]+\/src\//, ['@on-the-way/sdk']],
  // Loaded for every process of a connector.
  [/^host\/src\/isolate\/child(-use)?\.ts$/, ['@on-the-way/sdk', '@on-the-way/core/child']],
  [
    /^host\/src\/(testing\/|cli\/plugin-)/,
    ['@on-the-way/sdk', '@on-the-way/sdk/testing', '@on-the-way/core', '@on-the-way/create-plugin'],
  ],
  [/^host\/(src|chaos)\//, ['@on-the-way/sdk', '@on-the-way/core']],
  [/^create\/(src|bin)\//, []],
  [
    /^create\/templates\//,
    ['@on-the-way/sdk', '@on-the-way/sdk/testing', '@on-the-way/host', '@on-the-way/host/testing'],
  ],
  [/^examples\/[^/]+\//, ['@on-the-way/sdk', '@on-the-way/host']],
];

const notInCore =
  /^(node:)?(fs|net|http|https|child_process|process|worker_threads|os|path|dns|tls)(\/|$)|^(pg|knex|express|pino|axios)$/;

test('packages import only what the law allows', () => {
  const broken = filesOf(/^(sdk|core|create|host|plugins|examples)\/.*\.ts$/)
    .filter((file) => !/\.test\.ts$|^host\/test\/|\/test\//.test(file))
    .flatMap((file) => {
      const allowed = law.find(([pattern]) => pattern.test(file))?.[1] ?? [];
      return importsOf(file)
        .filter((name) => name.startsWith('@on-the-way/') && !allowed.includes(name))
        .map((name) => `${file} imports ${name}`);
    });
  expect(broken).toEqual([]);
});

test('relative imports stay within their package', () => {
  const shipped = filesOf(/^(sdk|core|create|host|plugins\/[^/]+|examples\/[^/]+)\/.*\.ts$/).filter(
    (file) => !file.endsWith('.test.ts'),
  );
  const broken = shipped.flatMap((file) => {
    const home = /^(sdk|core|create|host|plugins\/[^/]+|examples\/[^/]+)\//.exec(file)?.[0] ?? '';
    const outside = importsOf(file).filter(
      (name) => name.startsWith('.') && !resolve(root, dirname(file), name).startsWith(join(root, home)),
    );
    return outside.map((name) => `${file} imports ${name}`);
  });
  expect(broken).toEqual([]);
});

test('core touches no file, process, network or database', () => {
  const broken = filesOf(/^core\/src\/.*\.ts$/)
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) => importsOf(file).filter((name) => notInCore.test(name)));
  expect(broken).toEqual([]);
});

test('tsyringe stands in one file', () => {
  const owners = filesOf(/^(sdk|core|host|plugins)\/.*\.ts$/).filter((file) =>
    importsOf(file).includes('tsyringe'),
  );
  expect(owners).toEqual(['host/src/container.ts']);
});

test('the sources and the type tests compile', () => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.check.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

interface Lock {
  readonly packages: Readonly<
    Record<string, { resolved?: string; link?: boolean; optionalDependencies?: Record<string, string> }>
  >;
}

test('the lock names no download address, and has an entry for each optional package it mentions', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as Lock;
  const addresses = Object.entries(packages).filter(([, { resolved }]) => resolved?.includes('://'));
  expect(addresses).toEqual([]);
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => {
      const nested = `${path === '' ? '' : `${path}/`}node_modules/${name}`;
      return !(nested in packages) && !(`node_modules/${name}` in packages);
    }),
  );
  expect(missing).toEqual([]);
});

test('every workspace package has the version of lerna.json and the licence', () => {
  const { version } = JSON.parse(read('lerna.json')) as { version: string };
  for (const file of filesOf(/^(sdk|core|create|host|plugins\/[^/]+|examples\/[^/]+)\/package\.json$/)) {
    expect(JSON.parse(read(file)), file).toMatchObject({ version, license: 'MIT' });
  }
});

test('what somebody makes in mine/ is installed with the rest, and neither versioned nor published with it', () => {
  const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
  const { packages } = JSON.parse(read('lerna.json')) as { packages: string[] };
  expect(workspaces.filter((pattern) => !packages.includes(pattern))).toEqual(['mine/*']);
});

test('no leftovers stand in the sources', () => {
  const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|'));
  const found = filesOf(/\.(ts|mjs|js)$/).filter((file) => marks.test(read(file)));
  expect(found).toEqual([]);
});

/** What SQL text is put together from: names and clauses of our own, never a value. A new one is added here on purpose. */
const sqlParts = new Set([
  'allRead',
  'asSeenSql',
  'beginningSql',
  'columns',
  'connectionsAtOnce',
  'coverageColumns',
  'databaseName',
  'daysOfLetter',
  'dueAtOnce',
  'letterSql',
  'lockKey',
  'newestKept',
  'order',
  'password',
  'readColumns',
  'replaceable',
  'role',
  'runsAtOnce',
  'shown',
  'sliceLetters',
  'start',
  'table',
  'takeSql',
  'timeZone',
  'waitsUntil',
  'where',
  'whereOf(table)',
  "whereOf('raw.raw_event')",
  "whereOf('app.dead_letter')",
  "instantText('created_at')",
  "instantText('signal.occurred_at')",
  "tokenSessionName('')",
  "tokenSessionName('%')",
  'silentAfter',
  'rowsOf[part]',
  'priorities.handedOver',
  'queueSchema',
  'ofDatasets',
  'isOpenFailure',
  'isOpen',
  'hostLockSql(hostId)',
  'heldSql',
  "hasNoSessionSql('host_id')",
  'forgetFrontiersSql',
  'endedAfter',
  'atOnce',
  // Of the sink. A merge behind a COPY cannot have parameters: ids of requests are constants made by `quoted`, which a test
  // holds to the driver's own.
  'entries.length',
  'lists',
  'name',
  'parameters',
  'suffix',
  'suffixOf(dialect)',
  'from',
  'count',
  'notStored',
]);
const sql =
  /\b(?:select|insert into|update|delete from|create (?:role|database)|alter|grant|set local|copy)\b[^]*\b(?:from|into|set|where|role|database|values|time zone)\b/i;

test('SQL takes values as parameters: nothing is pasted into it but our own names and clauses', () => {
  const templates = filesOf(/^(host|plugins\/[^/]+)\/src\/.*\.ts$/)
    .filter((file) => !/test/.test(file))
    .flatMap((file) => [...read(file).matchAll(/`(?:[^`\\]|\\.)*`/g)].map(([text]) => ({ file, text })))
    .filter(({ text }) => sql.test(text));
  const pasted = templates.flatMap(({ file, text }) =>
    [...text.matchAll(/\$\{([^}]*)\}/g)].map(([, part = '']) => ({ file, part })),
  );
  expect(pasted.length).toBeGreaterThan(5);
  expect(pasted.filter(({ part }) => !sqlParts.has(part))).toEqual([]);
});
