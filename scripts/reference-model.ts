import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { z } from 'zod';
import { undocumentedMembers } from './undocumented.ts';

const root = join(import.meta.dirname, '..');
const sdk = join(root, 'sdk');

const token = z.object({ kind: z.enum(['Content', 'Reference']), text: z.string() });
const member = z.object({
  kind: z.string(),
  docComment: z.string().default(''),
  excerptTokens: z.array(token).default([]),
});
const item = member.extend({
  name: z.string(),
  /** `package!Name:kind`; with `~` before the name where it is not exported. */
  canonicalReference: z.string(),
  members: z.array(member).default([]),
});
const model = z.object({
  docComment: z.string().default(''),
  members: z.tuple([z.object({ members: z.array(item) })]),
});

/** A part of an export: a property, a method, a constructor. */
export type ApiMember = z.output<typeof member>;

/** A name that a module exports, or that its exports mention without being exported. */
export type ApiItem = z.output<typeof item>;

/** Whether it can be imported. */
export function isExported({ canonicalReference }: ApiItem): boolean {
  return !canonicalReference.includes('!~');
}

/** What an entry point of the SDK exports, as api-extractor reads it. */
export interface EntryPoint {
  /** The doc comment of its index. */
  readonly docComment: string;
  /** By name. */
  readonly items: readonly ApiItem[];
  /** Paths of members without a doc comment, wherever they stand: in type literals and in what is not exported too. */
  readonly undocumented: readonly string[];
}

/** Declarations of the SDK, without a build: `dist` is left as it is. */
function declare(folder: string): void {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const info = join(folder, '.tsbuildinfo');
  const args = ['-p', sdk, '--outDir', folder, '--tsBuildInfoFile', info, '--emitDeclarationOnly'];
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Expected the SDK to compile, but:\n${stdout}`);
}

function extract(folder: string, entry: string): EntryPoint {
  const apiJsonFilePath = join(folder, `${entry.replaceAll('/', '-')}.json`);
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: sdk,
      mainEntryPointFilePath: join(folder, `${entry}.d.ts`),
      compiler: { tsconfigFilePath: join(sdk, 'tsconfig.json') },
      docModel: { enabled: true, apiJsonFilePath, includeForgottenExports: true },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(sdk, 'package.json'),
  });
  const said: string[] = [];
  const { errorCount } = Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      if (message.logLevel === 'error') said.push(message.text);
      // Whether the comments are complete is for `npm run api` to say.
      message.handled = true;
    },
  });
  if (errorCount > 0) throw new Error(`Expected api-extractor to read ${entry}, but:\n${said.join('\n')}`);
  const { docComment, members } = model.parse(JSON.parse(readFileSync(apiJsonFilePath, 'utf8')));
  const items = members[0].members;
  const undocumented = undocumentedMembers(folder, new Set(items.map(({ name }) => name)));
  return { docComment, items, undocumented };
}

/**
 * Reads the exports of the SDK's entry points from its sources, e.g. of `index` and `testing/index`. Takes about two
 * seconds and writes nothing but a folder of its own, which is gone afterwards.
 *
 * @throws Error where the SDK does not compile.
 */
export function readEntryPoints<Name extends string>(
  entries: readonly Name[],
): Readonly<Record<Name, EntryPoint>> {
  // Where zod's types are not found, on purpose: reading them takes five seconds and changes no word of a signature.
  const folder = mkdtempSync(join(tmpdir(), 'otw-reference-'));
  try {
    declare(folder);
    const read = entries.map((entry) => [entry, extract(folder, entry)] as const);
    return Object.fromEntries(read) as Record<Name, EntryPoint>;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
