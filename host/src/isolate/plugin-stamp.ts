import { opendirSync, statSync, type Dir } from 'node:fs';
import { join } from 'node:path';
import type { ResolvedPlugin } from './resolve-plugin.ts';

// Looked at before each run: a connector that lies in the middle of something large must not hold up the host.
const mostEntries = 2_000;
// Runs that begin together look once.
const freshMs = 250;
const isModule = /\.(?:[cm]?[jt]s|json)$/;

function open(folder: string): Dir | undefined {
  try {
    return opendirSync(folder, { bufferSize: 256 });
  } catch {
    // Removed meanwhile, or not ours to read: then nothing of it is imported.
    return undefined;
  }
}

/** Modules of the folder and of those within, the nearest first. Packages it depends on are not among them. */
function* modulesIn(root: string): Generator<string> {
  const folders = [root];
  let entries = 0;
  for (const folder of folders) {
    const dir = open(folder);
    try {
      for (let entry = dir?.readSync(); entry; entry = dir?.readSync()) {
        entries += 1;
        if (entries > mostEntries) return;
        const { name } = entry;
        if (entry.isDirectory() && name !== 'node_modules' && !name.startsWith('.'))
          folders.push(join(folder, name));
        if (entry.isFile() && isModule.test(name)) yield join(folder, name);
      }
    } finally {
      dir?.closeSync();
    }
  }
}

function shown(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return `${found?.mtimeMs} ${found?.size} ${found?.ino}`;
}

function stampOf({ path, folder }: ResolvedPlugin): string {
  let count = 0;
  let bytes = 0;
  let newest = 0;
  for (const file of modulesIn(folder)) {
    const found = statSync(file, { throwIfNoEntry: false });
    count += 1;
    bytes += found?.size ?? 0;
    newest = Math.max(newest, found?.mtimeMs ?? 0);
  }
  return [shown(path), shown(join(folder, 'package.json')), count, bytes, newest].join('; ');
}

/**
 * Tells what a plugin's files look like from outside, as of a quarter of a second ago at the earliest; another text after
 * they were changed or replaced. Its entry file and its package.json each, and of the modules of its package, among the
 * first 2000 files, how many there are, how large they are together and when the newest was written.
 */
export function createStampReader(): (plugin: ResolvedPlugin) => string {
  const known = new Map<string, { readonly at: number; readonly stamp: string }>();
  return (plugin) => {
    const last = known.get(plugin.path);
    const now = performance.now();
    if (last && now - last.at < freshMs) return last.stamp;
    const stamp = stampOf(plugin);
    known.set(plugin.path, { at: now, stamp });
    return stamp;
  };
}
