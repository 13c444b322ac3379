// The whole way: the connector in its process, the host's side of it, the sink.
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBus, createPolicies, defaultPolicySettings, runConnection } from '@on-the-way/core';
import type { SinkWriter } from '@on-the-way/sdk';
import { createConnectorPool, type ConnectorPool } from '../host/src/isolate/connector-pool.ts';
import { openInProcess } from '../host/src/isolate/process-connector.ts';
import { resolvePlugin } from '../host/src/isolate/resolve-plugin.ts';
import { createLog } from '../host/src/log.ts';
import { createRedactor } from '../host/src/redact.ts';
import { openOurSink, type Stored } from './our-sink.ts';
import type { Task, Work } from './variants.ts';

const clock = { now: () => Date.now() };
const signal = new AbortController().signal;
const tokens = {
  load: async () => undefined,
  save: async () => undefined,
  update: async () => undefined,
  lock: async () => async () => undefined,
};

/** One run of a connection of the constant source. */
async function run(
  pool: ConnectorPool,
  sink: SinkWriter,
  config: { readonly first: number; readonly records: number },
): Promise<Stored> {
  const bus = createBus();
  const redactor = createRedactor();
  const write = (text: string) => process.stderr.write(text);
  const log = createLog({ redactor, level: 'error', pretty: false, write });
  const plugin = resolvePlugin(join(import.meta.dirname, 'constant-source.ts'), import.meta.dirname);
  const timeZone = 'Asia/Shanghai';
  const own = { pool, plugin, privateFolder: tmpdir(), config, timeZone, tokens, log, redactor, signal };
  const { status, datasets } = await runConnection({
    runId: randomUUID(),
    connection: 'bench',
    open: () => openInProcess(own),
    sink,
    ledger: { read: async () => [], record: async () => undefined },
    policies: createPolicies(defaultPolicySettings, { connection: 'bench', bus, clock }),
    bus,
    clock,
    newId: randomUUID,
    requestsMade: () => 0,
    plan: {
      timeZone,
      windowDays: 1,
      backfillFrom: '2026-02-26',
      only: { from: '2026-02-26', to: '2026-02-27' },
    },
    signal,
  });
  if (status !== 'succeeded') throw new Error(`Expected the run to succeed, got ${status}`);
  const counts = datasets['numbers'];
  if (!counts) throw new Error('Expected the run to tell of its dataset');
  const { written, unchanged, conflicts } = counts;
  return { written, unchanged, conflicts };
}

/** Runs of one connection, one after the other, in one child: as a host has it that has been up for a while. */
export async function openWholeWay({ url, rows, warmRows }: Task): Promise<Work> {
  const sink = await openOurSink(url);
  // Idle until it is looked at how much memory it has had.
  const pool = createConnectorPool({ most: 1 });
  return {
    write: ({ warm }) =>
      run(pool, sink, warm ? { first: rows, records: warmRows } : { first: 0, records: rows }),
    async close() {
      await pool.close();
      await sink.close();
    },
  };
}
