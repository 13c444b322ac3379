import { ConnectorError, type RawEvent, type SinkWriter, type WriteResult } from '@on-the-way/sdk';
import { isUnreachable } from './storage/database.ts';
import type { DeadLetterStore, Refusal } from './storage/dead-letters.ts';

/** The refusal of an event whose key is taken. */
export const conflict: Refusal = {
  code: 'conflict',
  message:
    'Expected its key to be free or to hold the same, found it taken by another payload or another occurred_at: ' +
    'nothing was overwritten',
};

/** What a run that sets events aside is. */
export interface SettingAside {
  readonly letters: Pick<DeadLetterStore, 'add'>;
  readonly connection: string;
  readonly runId: string;
}

/** The refusal that an error is, where it is about the event and not about the sink. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!ConnectorError.is(error) || error.code !== 'bad_data') return undefined;
  return { code: error.code, message: error.message };
}

interface Refused {
  readonly event: RawEvent;
  readonly why: Refusal;
}

/** Writes each event by itself; resolves with those that were refused. Rejects with what is wrong with the sink. */
async function writeSingly(
  sink: SinkWriter,
  batch: readonly RawEvent[],
  signal: AbortSignal,
): Promise<Refused[]> {
  const refused: Refused[] = [];
  for (const event of batch) {
    try {
      const { conflicts } = await sink.write([event], { signal });
      refused.push(...conflicts.map((each) => ({ event: each, why: conflict })));
    } catch (error) {
      const why = refusalOf(error);
      if (!why) throw error;
      refused.push({ event, why });
    }
  }
  return refused;
}

async function keep(
  { letters, connection, runId }: SettingAside,
  refused: readonly Refused[],
): Promise<void> {
  if (refused.length === 0) return;
  try {
    await letters.add(refused.map((each) => ({ connection, runId, ...each })));
  } catch (cause) {
    if (!isUnreachable(cause)) throw cause;
    const message =
      'Expected to set refused events aside, but the database is away: it is worth trying again';
    throw new ConnectorError('transient', message, { cause });
  }
}

/**
 * The sink of a run, which keeps what the real one refuses. Conflicts are set aside and reported as before. Of a batch
 * that is refused as `bad_data` every event is written by itself, the bad ones are set aside, and the error is thrown
 * as before: the slice failed, and all the rest of the batch is stored. Whatever is set aside is durable before `write`
 * settles, and so before the ledger says what became of the slice.
 */
export function settingAside(sink: SinkWriter, run: SettingAside): SinkWriter {
  return {
    async write(batch, options): Promise<WriteResult> {
      let result: WriteResult;
      try {
        result = await sink.write(batch, options);
      } catch (error) {
        const why = refusalOf(error);
        if (!why) throw error;
        const [first] = batch;
        await keep(
          run,
          batch.length === 1 && first
            ? [{ event: first, why }]
            : await writeSingly(sink, batch, options.signal),
        );
        throw error;
      }
      await keep(
        run,
        result.conflicts.map((event) => ({ event, why: conflict })),
      );
      return result;
    },
    close: () => sink.close(),
  };
}
