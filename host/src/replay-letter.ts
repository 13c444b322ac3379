import { randomUUID } from 'node:crypto';
import { canonicalJson, envelopeNotCompared, sha256 } from '@on-the-way/core';
import { ConnectorError, rawJson, type RawEvent, type SinkWriter, type Window } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import { conflict, refusalOf } from './set-aside.ts';
import type { DeadLetter, DeadLetterStore, FullDeadLetter, Refusal } from './storage/dead-letters.ts';

/** What became of an event that was written again. */
export type Replayed =
  | { readonly outcome: 'written' | 'unchanged' }
  /** It waits on, with this reason. */
  | { readonly outcome: 'refused'; readonly why: Refusal };

/** What replaying needs of the host. */
export interface ReplayParts {
  readonly letters: DeadLetterStore;
  readonly connections: readonly ConnectionConfig[];
  readonly sink: (name: string) => Promise<SinkWriter>;
}

async function eventOf(
  letters: DeadLetterStore,
  letter: FullDeadLetter,
  corrected: string | undefined,
): Promise<RawEvent> {
  const { sourceId, externalId, occurredAt, payload, payloadHash } = letter;
  if (
    sourceId === null ||
    externalId === null ||
    occurredAt === null ||
    payload === null ||
    payloadHash === null
  )
    throw new Error(`Expected the dead letter ${letter.id} to hold an event, found a ${letter.kind}`);
  const same = {
    sourceId,
    externalId,
    occurredAt,
    notCompared: envelopeNotCompared,
    requestId: randomUUID(),
  };
  if (corrected === undefined) return { ...same, payload, payloadHash };
  if (!/^\s*\{/.test(corrected))
    throw new ConnectorError('bad_data', 'Expected a payload that is a JSON object');
  const hash = sha256(canonicalJson(rawJson(await letters.comparable(corrected))));
  return { ...same, payload: corrected, payloadHash: hash };
}

function sinkNameOf({ connections }: ReplayParts, { connection: name }: FullDeadLetter): string {
  const connection = connections.find((each) => each.name === name);
  if (connection) return connection.sink;
  throw new ConnectorError(
    'config',
    `Expected the connection ${name} of this dead letter to be configured: configure it again, or drop the letter`,
  );
}

/** What a replay of days asks for: just these, whatever is known of them. */
export function wishOfLetter({ id, dataset, window }: DeadLetter): {
  readonly only: Window;
  readonly onlyDatasets: readonly string[];
} {
  if (dataset !== null && window !== null) return { only: window, onlyDatasets: [dataset] };
  throw new Error(`Expected the dead letter ${id} to name its dataset and days, found none`);
}

/**
 * Writes the event of a dead letter again through the sink of its connection, with a corrected payload where one is given; its key
 * stays. Throws what is wrong with the sink or the database; an event that is refused once more is a result.
 */
export async function replayLetter(
  parts: ReplayParts,
  letter: FullDeadLetter,
  request: { readonly signal: AbortSignal; readonly payload?: string | undefined },
): Promise<Replayed> {
  const { letters } = parts;
  const refused = async (why: Refusal): Promise<Replayed> => {
    await letters.refusedAgain(letter.id, why);
    return { outcome: 'refused', why };
  };
  try {
    const sink = await parts.sink(sinkNameOf(parts, letter));
    const event = await eventOf(letters, letter, request.payload);
    const { written, conflicts } = await sink.write([event], { signal: request.signal });
    if (conflicts.length > 0) return await refused(conflict);
    await letters.replayed(letter.id);
    return { outcome: written > 0 ? 'written' : 'unchanged' };
  } catch (error) {
    const why = refusalOf(error);
    if (!why) throw error;
    return refused(why);
  }
}
