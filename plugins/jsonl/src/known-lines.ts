import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RawEvent } from '@on-the-way/sdk';
import { isDayFile } from './day-file.ts';
import { sizeOf } from './disk.ts';
import { KeyIndex, type Key } from './key-index.ts';
import { lengthChanged, lineAt, readLines, type FoundLine } from './read-lines.ts';
import { systemCode } from './translate-error.ts';

/** A file as far as it was read. */
interface KnownFile {
  readonly number: number;
  /** Relative to the directory. */
  readonly path: string;
  bytes: number;
}

/** A line that was added to a file. */
export interface AddedLine {
  readonly event: Key;
  readonly offset: number;
}

async function isFolder(directory: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return (await stat(join(directory, entry.name))).isDirectory();
  } catch (error) {
    // Its disk is not there: nothing can be written to it either.
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** A link that leads nowhere is an error: what is written through it would make the file anew. */
async function isFile(folder: string, entry: Dirent): Promise<boolean> {
  return entry.isSymbolicLink() ? (await stat(join(folder, entry.name))).isFile() : entry.isFile();
}

/** Paths of the day files below the directory, relative to it. Links are followed: a source may be on a disk of its own. */
async function dayFiles(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const source of await readdir(directory, { withFileTypes: true })) {
    if (source.name.startsWith('.') || !(await isFolder(directory, source))) continue;
    const folder = join(directory, source.name);
    for (const entry of await readdir(folder, { withFileTypes: true }))
      if (isDayFile(entry.name) && (await isFile(folder, entry))) found.push(`${source.name}/${entry.name}`);
  }
  return found.toSorted();
}

/** The lines of a directory that were read, and where each of them is. Used by who holds the lock. */
export class KnownLines {
  readonly #directory: string;
  readonly #files: KnownFile[] = [];
  readonly #byPath = new Map<string, KnownFile>();
  readonly #index = new KeyIndex();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Reads what has come to the files since they were read. False when something is gone from them: then all of it has
   * to be read anew.
   *
   * @throws ConnectorError `config` for a line that is cut off or none of this sink.
   */
  async readOn(): Promise<boolean> {
    const paths = await dayFiles(this.#directory);
    const there = new Set(paths);
    if (this.#files.some(({ path, bytes }) => bytes > 0 && !there.has(path))) return false;
    for (const path of paths) {
      const file = this.#file(path);
      const bytes = (await sizeOf(join(this.#directory, path))) ?? 0;
      if (bytes < file.bytes) return false;
      if (bytes === file.bytes) continue;
      await readLines(join(this.#directory, path), { from: file.bytes, to: bytes }, (head, offset) => {
        const key = { sourceId: head.source_id, externalId: head.external_id };
        this.#index.add(key, { file: file.number, offset });
      });
      file.bytes = bytes;
    }
    return true;
  }

  /** The line that stands under the event's key; undefined when there is none. */
  find({ sourceId, externalId }: RawEvent): FoundLine | undefined {
    for (const { file: number, offset } of this.#index.find({ sourceId, externalId })) {
      const { path, bytes } = this.#files[number]!;
      const line = lineAt(join(this.#directory, path), { from: offset, to: bytes });
      if (line.head.source_id === sourceId && line.head.external_id === externalId) return line;
    }
    return undefined;
  }

  /**
   * Bytes of a file; 0 when there is none.
   *
   * @throws ConnectorError `config` when they are not those that were read.
   */
  async bytesOf(path: string): Promise<number> {
    const known = this.#byPath.get(path)?.bytes ?? 0;
    const found = (await sizeOf(join(this.#directory, path))) ?? 0;
    if (found === known) return known;
    throw lengthChanged(join(this.#directory, path), known, found);
  }

  /** Notes what was added to a file, which has so many bytes now. */
  add(path: string, lines: readonly AddedLine[], bytes: number): void {
    const file = this.#file(path);
    for (const { event, offset } of lines) this.#index.add(event, { file: file.number, offset });
    file.bytes = bytes;
  }

  #file(path: string): KnownFile {
    const known = this.#byPath.get(path);
    if (known) return known;
    const file = { number: this.#files.length, path, bytes: 0 };
    this.#files.push(file);
    this.#byPath.set(path, file);
    return file;
  }
}
