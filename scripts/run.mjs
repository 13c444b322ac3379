// What `npm start`, `npm test`, `npm run build`, `npm run check` and their like run. No dependencies, Node 18 or later:
// installs what the command needs, then goes on under the Node this project pins.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const source = '--conditions=@on-the-way/source';
// A host that loads is a hundred megabytes smaller for it, and takes about 5 % more CPU (docs/performance.md).
const smallYoung = '--max-semi-space-size=8';
const bin = (name) => join(modules, '.bin', name);

const apiExtractor = 'node_modules/@microsoft/api-extractor/bin/api-extractor';

/** One list of commands a script; each is what to pass to the pinned Node. */
const scripts = {
  start: { dev: false, commands: [[source, smallYoung, 'host/src/main.ts', 'start']] },
  test: { dev: true, commands: [['node_modules/vitest/vitest.mjs', 'run']] },
  bench: { dev: false, commands: [[source, 'bench/main.ts']] },
  chaos: { dev: true, commands: [[source, 'host/chaos/main.ts']] },
  conformance: { dev: true, commands: [[source, 'scripts/conformance-table.ts']] },
  registry: { dev: true, commands: [[source, 'scripts/registry.ts']] },
  compat: { dev: true, commands: [[source, 'scripts/compat.ts']] },
  build: { dev: true, commands: [['node_modules/typescript/bin/tsc', '-b']] },
  reference: { dev: true, commands: [[source, 'scripts/reference.ts']] },
  check: {
    dev: true,
    commands: [
      ['node_modules/prettier/bin/prettier.cjs', '--check', '.'],
      // Before the linter, which takes the packages' types from what is built.
      ['node_modules/typescript/bin/tsc', '-b'],
      [bin('oxlint'), '--type-aware', '--deny-warnings'],
      ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.check.json'],
      ['node_modules/knip/bin/knip.js', '--treat-config-hints-as-errors'],
      [apiExtractor, 'run', '-c', 'sdk/api-extractor.json'],
      [apiExtractor, 'run', '-c', 'sdk/api-extractor.testing.json'],
      ['node_modules/vitest/vitest.mjs', 'run'],
    ],
  },
};

function fail(message, code = 1) {
  console.error(message);
  process.exit(code);
}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Whether this machine needs the package: an optional one only where it is made for this system. */
function isWanted({ link, dev, optional, os, cpu, libc }, withDev) {
  if (link || (dev && !withDev)) return false;
  if (!optional) return true;
  const musl = libc !== undefined && !libc.includes('glibc');
  return Boolean(os?.includes(process.platform) && cpu?.includes(process.arch) && !musl);
}

/** Whether what the lock file asks for is what npm says it has put there; false after an install that was cut off. */
function isInstalled(withDev) {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const there = readJson(record).packages;
  return Object.entries(readJson(join(root, 'package-lock.json')).packages).every(
    ([path, wanted]) => path === '' || !isWanted(wanted, withDev) || there[path]?.version === wanted.version,
  );
}

/** Installs what is missing; never takes away what an earlier install put there for the tests. */
function install(withDev) {
  if (isInstalled(withDev)) return;
  const npm = process.env.npm_execpath;
  const flags = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--engine-strict=false'];
  // Said outright, since NODE_ENV=production or the user's own npm settings would decide otherwise.
  flags.push('--include=optional', ...(withDev ? ['--include=dev'] : ['--omit=dev']));
  console.error('Installing what this command needs (once) …');
  const [command, args] = npm ? [process.execPath, [npm, ...flags]] : ['npm', flags];
  const shell = !npm && process.platform === 'win32';
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell });
  if (result.status !== 0)
    fail('The install did not succeed; what npm printed above says why.', result.status ?? 1);
}

/** The pinned Node from the install; the user's own if there is none for this machine and it is new enough. */
function findNode() {
  const os = process.platform === 'win32' ? 'win' : process.platform;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const pinned = join(modules, `node-${os}-${process.arch}`, 'bin', file);
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  return fail(
    `Expected Node 24 or later on ${process.platform}-${process.arch}, where no pinned one can be installed; ` +
      `found ${process.version}. Install Node 24 from https://nodejs.org and run this again.`,
  );
}

/** Runs one command to its end with its signals; resolves with the exit code. */
function run(node, args) {
  const child = spawn(node, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` },
  });
  // The terminal signals the whole group on Ctrl-C, so the child has it already; it decides when to end.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // A SIGTERM sent to npm ends npm and its shell and never arrives here: notice that the parent changed.
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500);
  return new Promise((resolve) => {
    child.on('error', (error) => fail(`Expected to run ${node}, but: ${error.message}`));
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

const [name, ...rest] = process.argv.slice(2);
const script = scripts[name];
if (!script) fail(`Expected one of ${Object.keys(scripts).join(', ')}, got ${name}`, 2);
install(script.dev);
const node = findNode();
for (const [index, command] of script.commands.entries()) {
  const last = index === script.commands.length - 1;
  const code = await run(node, last ? [...command, ...rest] : command);
  if (code !== 0 || last) process.exit(code);
}
