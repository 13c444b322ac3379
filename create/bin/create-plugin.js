#!/usr/bin/env node
// `npm create @on-the-way/plugin`: runs the sources in a clone, what was compiled in an installed package.
import { existsSync } from 'node:fs';

if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `Expected Node 24 or later, found ${process.version}: install it from https://nodejs.org\n`,
  );
  process.exit(1);
}
const source = new URL('../src/command.ts', import.meta.url);
const entry = existsSync(source) ? source : new URL('../dist/command.js', import.meta.url);
const { runCommand } = await import(entry.href);
process.exitCode = runCommand(process.argv.slice(2));
