#!/usr/bin/env node
// Finds the Node this needs and the code to run: the sources in a clone, dist in an installed package.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, '..', 'src', 'main.ts');
const fromSource = existsSync(source);
const entry = fromSource ? source : join(here, '..', 'dist', 'main.js');
const args = [
  ...(fromSource ? ['--conditions=@on-the-way/source'] : []),
  // Little room for what is young: garbage is found sooner.
  '--max-semi-space-size=8',
  entry,
  ...process.argv.slice(2),
];

function pinnedNode() {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const path = join(dirname(manifest), 'bin', file);
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

const ownIsEnough = Number(process.versions.node.split('.')[0]) >= 24;

/** Runs the command under another Node, or with the condition that finds sources; passes signals on. */
function spawnCommand(node) {
  const child = spawn(node, args, { stdio: 'inherit' });
  // The terminal signals the whole group on Ctrl-C; the command has it already and ends in its own time.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // Whoever started us may be ended without a word; do not leave the command behind.
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref();
  child.on('exit', (code, signal) => {
    // A daemon listens for these as soon as it runs; before that it has nothing to finish.
    const isEarlyStop = process.argv[2] === 'start' && ['SIGINT', 'SIGTERM', 'SIGHUP'].includes(signal);
    process.exit(code ?? (isEarlyStop ? 0 : 128 + (constants.signals[signal] ?? 0)));
  });
}

const node = ownIsEnough ? process.execPath : pinnedNode();
if (process.argv.length === 3 && ['--version', '-V'].includes(process.argv[2])) {
  // Neither the command nor another Node has to be loaded for this.
  console.log(JSON.parse(readFileSync(join(here, '..', 'package.json'), 'utf8')).version);
} else if (node === undefined) {
  console.error(`Expected Node 24 or later, found ${process.version}: install it from https://nodejs.org`);
  process.exit(1);
} else if (ownIsEnough && !fromSource) {
  // What is compiled needs no other process: signals arrive, and a health check starts twice as fast.
  await import(pathToFileURL(entry).href);
} else spawnCommand(node);
