import { failureOf } from '@on-the-way/core';
import type { SinkWriter } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import type { RunRequest, RunService } from './run-service.ts';

/** What was looked at, and what was found. */
export interface Checked {
  readonly what: 'sink' | 'connection';
  readonly name: string;
  readonly ok: boolean;
  /** Of the failure, as docs/errors.md has it; null where all is well. */
  readonly code: string | null;
  /** What was found, or what to do. */
  readonly message: string;
}

async function look(about: Pick<Checked, 'what' | 'name'>, work: () => Promise<string>): Promise<Checked> {
  try {
    return { ...about, ok: true, code: null, message: await work() };
  } catch (error) {
    const { code, message } = failureOf(error);
    return { ...about, ok: false, code, message };
  }
}

/**
 * Opens the connection's sink, logs in and reads one cheap thing. Never rejects: what goes wrong is in the answer,
 * with messages as they were thrown, so that whoever shows them must take secrets out.
 */
export async function checkConnection(
  parts: { readonly sink: (name: string) => Promise<SinkWriter>; readonly service: RunService },
  connection: ConnectionConfig,
  request: Pick<RunRequest, 'signal' | 'prompt'>,
): Promise<readonly Checked[]> {
  const { sink, name } = connection;
  return [
    await look({ what: 'sink', name: sink }, async () => {
      await parts.sink(sink);
      return 'opened';
    }),
    await look({ what: 'connection', name }, () =>
      parts.service.withConnector(connection, request, async (connector) => {
        await connector.check(request.signal);
        return `logged in as account ${connector.accountRef}, ${connector.datasets.length} datasets can be read`;
      }),
    ),
  ];
}
