import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConnectorError, type Log, type RawEvent, type SinkWriter, type WriteResult } from '@on-the-way/sdk';
import { noBatch, readRecord, undo, writeRecord } from './batch-record.ts';
import { checkEvent } from './check-event.ts';
import { makeDirectory } from './disk.ts';
import { KnownLines } from './known-lines.ts';
import { withLock } from './lock.ts';
import { planBatch } from './plan-batch.ts';
import { storeLines, type Target } from './store-lines.ts';
import { translateError } from './translate-error.ts';
import { createTurns } from './turns.ts';

// Health data: for its owner alone, unless somebody made the directory for others too.
const directoryMode = 0o700;
// No folder of a source: none begins with a point.
const folderName = '.writer';
const lockName = 'lock.sqlite';

/** What a writer knows of the directory, and of which record that is. */
class Knowledge {
  readonly #target: Target;
  readonly #log: Log;
  #known: KnownLines;
  #recordId: string | undefined;

  constructor(target: Target, log: Log) {
    this.#target = target;
    this.#log = log;
    this.#known = new KnownLines(target.directory);
  }

  /** Finishes what a killed writer left, and reads what others wrote. Called by who holds the lock. */
  upToDate(): Promise<KnownLines> {
    return this.#readingAnew(() => this.#readOn());
  }

  /** Calls `change` with what is known; when that throws, all is looked at again by the next who asks. */
  change(change: (known: KnownLines) => Promise<string | undefined>): Promise<void> {
    return this.#readingAnew(async () => {
      const known = await this.#readOn();
      const before = this.#recordId;
      this.#recordId = undefined;
      this.#recordId = (await change(known)) ?? before;
    });
  }

  /** Forgets what was read when the files turn out to be other ones: somebody may put them right. */
  async #readingAnew<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (ConnectorError.is(error)) this.#known = new KnownLines(this.#target.directory);
      throw error;
    }
  }

  async #readOn(): Promise<KnownLines> {
    const { directory, folder } = this.#target;
    const record = await readRecord(folder);
    if (record && record.parts.length === 0 && record.id === this.#recordId) return this.#known;
    this.#recordId = undefined;
    if (record && record.parts.length > 0) {
      await undo(directory, record.parts);
      this.#log.warn('took out a batch that was cut off; it will be written again', { directory });
    }
    if (!(await this.#known.readOn())) {
      this.#log.warn('lines that were there are gone; reading all files again', { directory });
      this.#known = new KnownLines(directory);
      await this.#known.readOn();
    }
    const read = record && record.parts.length === 0 ? record : noBatch();
    if (read !== record) await writeRecord(folder, read);
    this.#recordId = read.id;
    return this.#known;
  }
}

async function targetOf(directory: string): Promise<Target> {
  const folder = join(directory, folderName);
  await makeDirectory(folder, directoryMode);
  const { mode } = await stat(directory);
  return { directory, folder, mode: mode & 0o777 };
}

/**
 * Opens a directory for writing; makes it where there is none. Reads all lines that are there once, so that each event is
 * stored once.
 *
 * @throws ConnectorError `config` when the directory cannot be used, or a line in it is none of this sink.
 */
export async function openWriter(options: {
  readonly directory: string;
  readonly log: Log;
}): Promise<SinkWriter> {
  const directory = resolve(options.directory);
  const turns = createTurns();
  async function translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translateError(error, directory);
    }
  }
  const target = await translated(() => targetOf(directory));
  const knowledge = new Knowledge(target, options.log);
  const alone = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
    turns.take(signal, () => translated(() => withLock(join(target.folder, lockName), signal, work)));
  const writeNow = async (batch: readonly RawEvent[], signal: AbortSignal): Promise<WriteResult> => {
    let result: WriteResult | undefined;
    await knowledge.change(async (known) => {
      const plan = await planBatch(batch, known, signal);
      ({ result } = plan);
      return plan.lines.size === 0 ? undefined : storeLines(target, { lines: plan.lines, known }, signal);
    });
    return result!;
  };
  await alone(new AbortController().signal, () => knowledge.upToDate());
  options.log.info('storing events', { directory });
  return {
    async write(batch, { signal }) {
      signal.throwIfAborted();
      batch.forEach(checkEvent);
      if (batch.length === 0) return { written: 0, unchanged: 0, conflicts: [], rows: [] };
      return alone(signal, () => writeNow(batch, signal));
    },
    close: () => turns.idle(),
  };
}
