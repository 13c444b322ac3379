import { ConnectorError, type ConnectorErrorCode } from '../errors.ts';
import type { Machine } from './machine.ts';
import type { OpenedConnector, Question } from './open-connector.ts';
import { saidBy, ThrownByPlugin, withConnectorProcess, type PluginProcess } from './plugin-process.ts';
import type { AnyRecord } from './records.ts';
import type { ConnectorSubject } from './subject.ts';
import { withSource } from './with-source.ts';

/** A connector that can be read, wherever it is. */
export type Readable = Pick<OpenedConnector, 'datasets' | 'read'>;

/** What was thrown there, as it would have been thrown here. */
function thrownHere(error: unknown): unknown {
  if (!(error instanceof ThrownByPlugin) || !error.thrown.isConnectorError) return error;
  const { code, message } = error.thrown;
  return new ConnectorError(code as ConnectorErrorCode, message, { cause: error });
}

async function readThere(plugin: PluginProcess, { dataset, window, cursor }: Question): Promise<AnyRecord[]> {
  await plugin.call({
    verb: 'ask',
    dataset,
    ...(window && { window }),
    ...(cursor !== undefined && { cursor }),
  });
  const records: AnyRecord[] = [];
  for await (const { record } of saidBy(plugin)) if (record) records.push(record);
  return records;
}

/** Runs `use` with the subject's connector logged in over a source of its own, in a process that believes to be elsewhere. */
export async function onMachine<Result>(
  { module, ...subject }: ConnectorSubject,
  machine: Machine,
  use: (opened: Readable) => Promise<Result>,
): Promise<Result> {
  try {
    return await withSource(subject, ({ source }) =>
      withConnectorProcess({ module, machine }, source, (plugin, { datasets }) =>
        use({ datasets, read: (question) => readThere(plugin, question).catch(rethrowHere) }),
      ),
    );
  } catch (error) {
    throw thrownHere(error);
  }
}

function rethrowHere(error: unknown): never {
  throw thrownHere(error);
}
