import type { EventOutcome, RunSink } from '@on-the-way/core';
import { ConnectorError, type RawEvent, type SinkWriter } from '@on-the-way/sdk';
import { isUnreachable } from './storage/database.ts';
import type { Refusal, RunLetters } from './storage/dead-letters.ts';

/** The refusal of an event whose key is taken. */
export const conflict: Refusal = {
  code: 'conflict',
  message:
    'Expected its key to be free or to hold the same, found it taken by another payload or another occurred_at: ' +
    'nothing was overwritten',
};

/** What a run that sets events aside is. */
export interface SettingAside {
  readonly letters: RunLetters;
  readonly connection: string;
  readonly runId: string;
}

/** The refusal that an error is, where it is about the event and not about the sink. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!ConnectorError.is(error) || error.code !== 'bad_data') return undefined;
  return { code: error.code, message: error.message };
}

/** What became of one event, and why it was refused. */
interface Verdict {
  readonly outcome: EventOutcome;
  readonly why?: Refusal;
}

function verdictOf(outcome: EventOutcome | undefined): Verdict {
  // A sink that does not answer for an event leaves it unknown.
  if (outcome === undefined) return { outcome: 'given_up' };
  return outcome === 'conflict' ? { outcome, why: conflict } : { outcome };
}

/** Writes each event by itself. `stopped` says why those at the end were not tried. */
async function writeSingly(
  sink: SinkWriter,
  batch: readonly RawEvent[],
  signal: AbortSignal,
): Promise<{ readonly verdicts: readonly Verdict[]; readonly stopped?: unknown }> {
  const verdicts: Verdict[] = [];
  for (const event of batch) {
    try {
      const { rows } = await sink.write([event], { signal });
      verdicts.push(verdictOf(rows[0]?.outcome));
    } catch (error) {
      const why = refusalOf(error);
      if (!why)
        return { verdicts: batch.map((_, at) => verdicts[at] ?? verdictOf(undefined)), stopped: error };
      verdicts.push({ outcome: 'set_aside', why });
    }
  }
  return { verdicts };
}

/** Writes a batch, one by one where it is refused as a whole. */
async function writeAll(
  sink: SinkWriter,
  batch: readonly RawEvent[],
  signal: AbortSignal,
): Promise<{ readonly verdicts: readonly Verdict[]; readonly failure?: unknown }> {
  try {
    const { rows } = await sink.write(batch, { signal });
    return { verdicts: batch.map((_, at) => verdictOf(rows[at]?.outcome)) };
  } catch (error) {
    const why = refusalOf(error);
    if (!why) throw error;
    if (batch.length === 1) return { verdicts: [{ outcome: 'set_aside', why }], failure: error };
    const { verdicts, stopped = error } = await writeSingly(sink, batch, signal);
    return { verdicts, failure: stopped };
  }
}

/** What went wrong when the letters could not be kept. */
function unkept(cause: unknown): unknown {
  if (!isUnreachable(cause)) return cause;
  const message = 'Expected to set refused events aside, but the database is away: it is worth trying again';
  return new ConnectorError('transient', message, { cause });
}

/**
 * The sink of a run, which keeps what the real one refuses. Conflicts are set aside and reported as before. Of a batch
 * that is refused as `bad_data` every event is written by itself, the bad ones are set aside, and the refusal is the
 * `failure` of the answer: all the rest of the batch is stored. Whatever is set aside is durable before `write`
 * settles, and so before the ledger says what became of the slice.
 */
export function settingAside(sink: SinkWriter, { letters, connection, runId }: SettingAside): RunSink {
  return {
    async write(batch, { signal }) {
      const { verdicts, failure } = await writeAll(sink, batch, signal);
      const refused = verdicts.flatMap(({ why }, at) => {
        const event = batch[at];
        return why && event ? [{ connection, runId, event, why }] : [];
      });
      if (refused.length === 0) return { rows: verdicts, ...(failure !== undefined && { failure }) };
      try {
        await letters.add(refused);
        return { rows: verdicts, ...(failure !== undefined && { failure }) };
      } catch (cause) {
        const rows = verdicts.map((verdict) => (verdict.why ? verdictOf(undefined) : verdict));
        return { rows, failure: unkept(cause) };
      }
    },
  };
}
