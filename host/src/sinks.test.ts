import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRedactor } from './redact.ts';
import { loadConfig } from './config/load-config.ts';
import { createLog } from './log.ts';
import { createSinks } from './sinks.ts';

const databaseUrl = 'postgresql://otw:password-of-the-host@127.0.0.1:1/otw';
const log = createLog({ redactor: createRedactor(), level: 'silent', pretty: false, write: () => undefined });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'otw-sinks-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A sink that says in its refusal to open what it was given. */
const telling = `import { defineSink } from '@on-the-way/sdk';
import { z } from 'zod';
export default defineSink({
  name: 'postgres',
  version: '1.0.0',
  description: 'Calls itself as ours does.',
  config: z.looseObject({}),
  async open({ config }) { throw new Error('given ' + JSON.stringify(config)); },
});
`;

test.each([
  ['at a path', './own/index.js', 'own'],
  ['in the plugins folder', 'own', 'plugins/own'],
  ['as a package', 'otw-sink-postgres', 'node_modules/otw-sink-postgres'],
])(
  'a sink found %s is not given the address of the database, whatever its name',
  async (_, plugin, place) => {
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(join(folder, place, 'index.js'), telling);
    const manifest = { name: 'own', version: '1.0.0', type: 'module', exports: './index.js' };
    writeFileSync(join(folder, place, 'package.json'), JSON.stringify(manifest));
    const file = join(folder, 'otw.config.json');
    writeFileSync(file, JSON.stringify({ sinks: { archive: { plugin, config: { own: true } } } }));
    const config = await loadConfig({ cwd: folder, env: {}, commandLine: { config: file } });
    const sinks = createSinks(config, databaseUrl, log);
    await expect(sinks.open('archive')).rejects.toThrow('given {"own":true}');
  },
);
