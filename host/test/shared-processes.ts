import { tmpdir } from 'node:os';
import { afterAll } from 'vitest';
import { createConnectorPool, type ConnectorPool } from '../src/isolate/connector-pool.ts';

// Far more than the runs of any test file at once.
const shared = createConnectorPool({ most: 50 });
afterAll(() => shared.close());

/**
 * A host's pool whose processes serve the other hosts of the test file too, one run after the other as always: most of
 * what such a test costs is their start. What no process may read is left out of what tells one from another; it
 * lies in the system's folder for what is temporary, where none may read.
 */
export function sharedProcesses(): ConnectorPool {
  return {
    take: (wish, signal) => shared.take({ ...wish, privateFolder: tmpdir() }, signal),
    giveBack: (process, isClean) => shared.giveBack(process, isClean),
    counts: () => shared.counts(),
    // The other hosts go on.
    close: async () => undefined,
  };
}
