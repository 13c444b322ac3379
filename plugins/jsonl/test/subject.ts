import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineSubject, type StoredEvent, type Surface } from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';

const payloadMember = ',"payload":';

/** An event as its line has it, the payload to the character. */
function storedIn(line: string): StoredEvent {
  const at = line.indexOf(payloadMember);
  const head = JSON.parse(`${line.slice(0, at)}}`) as Record<
    'source_id' | 'external_id' | 'occurred_at',
    string
  >;
  return {
    sourceId: head.source_id,
    externalId: head.external_id,
    occurredAt: head.occurred_at,
    payload: line.slice(at + payloadMember.length, -1),
  };
}

function storedBelow(directory: string): StoredEvent[] {
  return globSync(`${directory}/*/*.jsonl`).flatMap((path) =>
    readFileSync(path, 'utf8').split('\n').slice(0, -1).map(storedIn),
  );
}

// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);

/** A directory for each check. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  open() {
    const directory = mkdtempSync(join(tmpdir(), 'otw-jsonl-'));
    return {
      config: { directory },
      stored: async () => storedBelow(directory),
      close: () => rmSync(directory, { recursive: true, force: true }),
    };
  },
  poison: (event) => ({ ...event, payload: '{"half":"\ud800"}' }),
});
