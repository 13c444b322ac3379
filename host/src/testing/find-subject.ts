import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Connector, Sink } from '@on-the-way/sdk';
import { defineSubject, type Subject } from '@on-the-way/sdk/testing';
import { z } from 'zod';
import { exitCodes, HostError } from '../host-error.ts';
import { entryOfPackage } from '../isolate/package-entry.ts';
import { checkSdk } from '../plugin-sdk.ts';
import { subjectExample } from './subject-example.ts';

/** What the suite is to be run on. */
export interface FoundSubject {
  readonly subject: Subject;
  /** Where its package.json is; absent for a module that is tested by itself. */
  readonly folder?: string;
  /** False where the plugin has none and is tested with the configuration `{}`. */
  readonly isDeclared: boolean;
}

const manifestSchema = z.object({
  name: z.string(),
  'on-the-way': z.object({ subject: z.string().optional() }).optional(),
});

const usualPlaces = ['test/subject.ts', 'test/subject.js', 'test/subject.mjs'];

const badConfig = (message: string, cause?: unknown): HostError =>
  new HostError(exitCodes.badConfig, message, { cause });

async function defaultOf(path: string): Promise<unknown> {
  try {
    return ((await import(pathToFileURL(path).href)) as { readonly default?: unknown }).default;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw badConfig(`Expected ${path} to load, but: ${why}`, error);
  }
}

const pluginSchema = z.object({ kind: z.enum(['connector', 'sink']) });
const subjectSchema = z.object({ plugin: pluginSchema, module: z.string() });

function isSubject(value: unknown): value is Subject {
  return subjectSchema.safeParse(value).success;
}

function isPlugin(value: unknown): value is Connector | Sink {
  return pluginSchema.safeParse(value).success;
}

/** A connector that takes `{}` and asks nothing of a network can be tested as it is. */
function subjectOf(plugin: Connector | Sink, path: string): Subject {
  if (plugin.kind === 'sink')
    throw badConfig(
      `Expected a subject that says where ${plugin.name} writes to, found none. Write test/subject.ts beside package.json:\n\n${subjectExample('sink')}`,
    );
  if (!plugin.config.safeParse({}).success)
    throw badConfig(
      `Expected a subject that says how ${plugin.name} is configured, found none, and it does not take {}. Write test/subject.ts beside package.json:\n\n${subjectExample('connector')}`,
    );
  return defineSubject({
    plugin,
    module: pathToFileURL(path).href,
    window: { from: '2026-02-24', to: '2026-02-27' },
  });
}

async function fromModule(path: string): Promise<Omit<FoundSubject, 'folder'>> {
  const found = await defaultOf(path);
  if (isSubject(found)) return { subject: found, isDeclared: true };
  if (isPlugin(found)) return { subject: subjectOf(found, path), isDeclared: false };
  throw badConfig(
    `Expected ${path} to export a subject, a connector or a sink as its default, found something else. A subject:\n\n${subjectExample('connector')}`,
  );
}

function readManifest(folder: string): z.output<typeof manifestSchema> {
  const path = join(folder, 'package.json');
  if (!existsSync(path))
    throw badConfig(`Expected the folder of a package or a module, found no package.json in ${folder}`);
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw badConfig(`Expected a package.json with a name in ${folder}, found something else`, error);
  }
}

/**
 * Finds what the suite is to be run on: in the folder of a package the subject that `"on-the-way": { "subject": … }` of
 * package.json names, or test/subject.ts, .js or .mjs, or else the package's own module; or a module.
 *
 * @throws HostError (exit 78) where there is neither a subject nor a plugin that needs none, with what to write.
 */
export async function findSubject(path: string, cwd: string): Promise<FoundSubject> {
  const at = resolve(cwd, path);
  if (!existsSync(at)) throw badConfig(`Expected a folder or a module at ${at}, found nothing`);
  if (!statSync(at).isDirectory()) {
    const found = await fromModule(at);
    const above = [dirname(at), dirname(dirname(at))];
    const folder = found.isDeclared ? above.find((one) => existsSync(join(one, 'package.json'))) : undefined;
    return { ...found, ...(folder !== undefined && { folder }) };
  }
  const { 'on-the-way': named } = readManifest(at);
  const given = named?.subject;
  const subject = given ?? usualPlaces.find((place) => existsSync(join(at, place)));
  if (given !== undefined && !existsSync(join(at, given)))
    throw badConfig(`package.json: expected on-the-way.subject to be a module, found nothing at ${given}`);
  // As a host finds it, and refuses it before any of its code runs.
  checkSdk({ folder: at, path: at });
  const module = subject === undefined ? entryOfPackage(at) : join(at, subject);
  return { ...(await fromModule(module)), folder: at };
}
