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

/** What became of a batch. */
interface Verdicts {
  readonly verdicts: readonly Verdict[];
  /** Why not all of it is stored. */
  readonly failure?: unknown;
}

// A source that answers nonsense throughout is not looked through to its end: the slice must end in its time.
const mostRefused = 64;

/**
 * Writes a batch; of what is refused for what it holds the two halves, and so on down to the events that are at fault:
 * one of thousands costs some twenty writes more. Stops at any other failure, and once so many were found that the rest is given
 * up.
 */
async function writeAll(
  sink: SinkWriter,
  batch: readonly RawEvent[],
  signal: AbortSignal,
): Promise<Verdicts> {
  const found: Verdict[] = Array.from(batch, () => verdictOf(undefined));
  const parts = [{ from: 0, to: batch.length }];
  let failure: unknown;
  let refused = 0;
  for (let part = parts.pop(); part && refused < mostRefused; part = parts.pop()) {
    const { from, to } = part;
    try {
      const { rows } = await sink.write(batch.slice(from, to), { signal });
      for (let at = from; at < to; at += 1) found[at] = verdictOf(rows[at - from]?.outcome);
    } catch (error) {
      const why = refusalOf(error);
      // Nothing was refused before it: all of the batch fails with it.
      if (!why && failure === undefined) throw error;
      if (!why) return { verdicts: found, failure: error };
      failure ??= error;
      const middle = Math.ceil((from + to) / 2);
      if (to - from === 1) {
        found[from] = { outcome: 'set_aside', why };
        refused += 1;
      } else parts.push({ from: middle, to }, { from, to: middle });
    }
  }
  return { verdicts: found, ...(failure !== undefined && { failure }) };
}

/** What went wrong when the letters could not be kept. */
function unkept(cause: unknown): unknown {
  if (!isUnreachable(cause)) return cause;
  const message = 'Expected to set refused events aside, but the database is away: it is worth trying again';
  return new ConnectorError('transient', message, { cause });
}

/**
 * The sink of a run, which keeps what the real one refuses. Conflicts are set aside and reported as before. Of a batch
 * that is refused as `bad_data` the events at fault are set aside, and the refusal is the `failure` of the answer: all
 * the rest of the batch is stored. Whatever is set aside is durable before `write`
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
