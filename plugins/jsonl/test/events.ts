import { createHash, randomUUID } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawEvent, SinkWriter } from '@on-the-way/sdk';
import sink from '../src/index.ts';

/** A log that nobody reads. */
export const quiet = { debug() {}, info() {}, warn() {} };

/** Opens the sink on a directory. */
export function openSink(directory: string, log = quiet): Promise<SinkWriter> {
  return sink.open({ config: sink.config.parse({ directory }), log });
}

/** An event whose hash follows from its payload. */
export function eventOf(externalId: string, changes: Partial<RawEvent> = {}): RawEvent {
  const payload = changes.payload ?? `{"id":${JSON.stringify(externalId)}}`;
  return {
    sourceId: 'source',
    externalId,
    occurredAt: '2026-02-26T00:00:00+08:00',
    payload,
    payloadHash: createHash('sha256').update(payload).digest('hex'),
    requestId: randomUUID(),
    ...changes,
  };
}

/** A line as JSON.parse has it. */
export interface StoredLine {
  readonly source_id: string;
  readonly external_id: string;
  readonly raw_id: string;
  readonly payload: unknown;
}

/** All day files, by their path below the directory. */
export function filesIn(directory: string): Record<string, string> {
  const paths = globSync('*/*.jsonl', { cwd: directory }).toSorted();
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(directory, path), 'utf8')]));
}

/** What all lines say, files in the order of their names. */
export function linesIn(directory: string): StoredLine[] {
  return Object.values(filesIn(directory)).flatMap((text) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as StoredLine),
  );
}

/** A batch whose events lie in several files: number `batch`, so many events, each some hundred bytes long. */
export function batchOf(batch: number, events: number): RawEvent[] {
  return Array.from({ length: events }, (_, at) =>
    eventOf(`${batch}-${at}`, {
      occurredAt: `2026-02-0${1 + (at % 3)}T00:00:00Z`,
      payload: JSON.stringify({ batch, at, of: events, text: 'é'.repeat((at * 37) % 400) }),
    }),
  );
}
