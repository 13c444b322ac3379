import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import type { PluginFacts } from './options.ts';

/** A file to be made. */
export interface MadeFile {
  /** Within the package, with `/`. */
  readonly path: string;
  readonly text: string;
}

const templates = join(import.meta.dirname, '..', 'templates');

// npm leaves such a file out of every package it packs.
const renamed: Readonly<Record<string, string>> = { gitignore: '.gitignore' };

/** How a value is written into a file of a kind, within its quotes where there are any. */
function written(value: string, extension: string): string {
  if (extension === '.json') return JSON.stringify(value).slice(1, -1);
  return extension === '.ts' ? value.replaceAll(/[\\']/g, String.raw`\$&`) : value;
}

function filled(text: string, extension: string, facts: PluginFacts & { readonly version: string }): string {
  return text.replaceAll(/__(NAME|PACKAGE|DESCRIPTION|SOURCE|VERSION)__/g, (_, key: string) => {
    const value = facts[key.toLowerCase() as Exclude<keyof typeof facts, 'kind'>];
    return written(value ?? '', extension);
  });
}

function ownVersion(): string {
  const manifest = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The files of a plugin's package, its facts filled in; the SDK it is for is the one of this version. */
export function fillTemplate(facts: PluginFacts): MadeFile[] {
  const folder = join(templates, facts.kind);
  const version = ownVersion();
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const text = readFileSync(join(parentPath, name), 'utf8');
      const path = join(parentPath, renamed[name] ?? name).slice(folder.length + 1);
      return {
        path: path.replaceAll(sep, '/'),
        text: filled(text, extname(name), { ...facts, version }),
      };
    })
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
