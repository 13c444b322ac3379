import { failureOf } from '@on-the-way/core';
import { ConnectorError, formatInstant } from '@on-the-way/sdk';
import { z } from 'zod';
import { ApiRefusal } from '../api-client.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { letterShape, replayAnswer, shownLetter } from '../http/dead-letters.ts';
import { replayLetter, type Replayed } from '../replay-letter.ts';
import type { FullDeadLetter } from '../storage/dead-letters.ts';
import type { CommandContext } from './context.ts';
import { exitCodeOfError } from './exit-code.ts';
import { viaRemote, type Remote } from './remote.ts';

const letterAnswer = z.object({ ...letterShape, payload: z.string().optional() });

/** A dead letter as it is printed; with its payload where one was asked for. */
export type ShownLetter = z.output<typeof letterAnswer>;

/** What became of a replay. */
type ReplayResult =
  | { readonly outcome: 'written' | 'unchanged' }
  | { readonly outcome: 'refused'; readonly error: { readonly code: string; readonly message: string } };

/** Dead letters, here or at a host. */
export interface Letters {
  list(filter: { readonly connection?: string; readonly limit: number }): Promise<readonly ShownLetter[]>;
  get(id: string): Promise<ShownLetter>;
  replay(id: string, payload: string | undefined): Promise<ReplayResult>;
  drop(id: string): Promise<void>;
}

function noLetter(id: string): HostError {
  return new HostError(
    exitCodes.usage,
    `Expected a dead letter, found none with the id ${id}: otw dead-letters list shows them`,
  );
}

function resultOf(replayed: Replayed): ReplayResult {
  return replayed.outcome === 'refused' ? { outcome: 'refused', error: replayed.why } : replayed;
}

/** What a sink or a configuration that is no good ends the command with. */
function commandError(error: unknown): unknown {
  if (!ConnectorError.is(error)) return error;
  const { code, message } = failureOf(error);
  const exitCode = code === 'transient' ? exitCodes.unreachable : exitCodeOfError(code);
  return new HostError(exitCode, `${code}: ${message}`, { cause: error });
}

/** In the database of this command. */
export function lettersHere({ config, host }: CommandContext): Letters {
  const stamp = (at: Date | number | null | undefined): string | null =>
    at === null || at === undefined ? null : formatInstant(Number(at), config.timeZone);
  const shown = (letter: Parameters<typeof shownLetter>[0]): ShownLetter =>
    // The times are there; the API's type says null for those that may be missing elsewhere.
    letterAnswer.parse(shownLetter(letter, stamp));
  const letterOf = async (id: string): Promise<FullDeadLetter> => {
    const letter = await host.letters.get(id);
    if (letter) return letter;
    throw noLetter(id);
  };
  return {
    list: async (filter) => (await host.letters.list(filter)).map(shown),
    async get(id) {
      const letter = await letterOf(id);
      return { ...shown(letter), payload: letter.payload };
    },
    async replay(id, payload) {
      const { letters, sinks } = host;
      const parts = { letters, connections: config.connections, sink: (name: string) => sinks.open(name) };
      const signal = AbortSignal.timeout(60_000);
      try {
        return resultOf(await replayLetter(parts, await letterOf(id), { signal, payload }));
      } catch (error) {
        throw commandError(error);
      }
    },
    async drop(id) {
      if (!(await host.letters.drop(id))) throw noLetter(id);
    },
  };
}

/** Through a host's API. */
export function lettersByHost({ client }: Remote): Letters {
  const path = '/v1/dead-letters';
  return {
    list: ({ connection, limit }) =>
      viaRemote(client, async () => {
        const query = new URLSearchParams({
          limit: String(Math.min(limit, 200)),
          ...(connection !== undefined && { connection }),
        });
        return (await client.get(`${path}?${query.toString()}`, z.object({ items: z.array(letterAnswer) })))
          .items;
      }),
    get: (id) =>
      viaRemote(
        client,
        async () => (await client.get(`${path}/${id}`, z.object({ dead_letter: letterAnswer }))).dead_letter,
      ),
    replay: (id, payload) =>
      viaRemote(client, async (): Promise<ReplayResult> => {
        try {
          const body = { ...(payload !== undefined && { payload }) };
          const request = { method: 'POST', path: `${path}/${id}/replay`, body, withinMs: 60_000 } as const;
          const { outcome } = await client.send(request, replayAnswer);
          return { outcome };
        } catch (error) {
          // These two are about the event; every other refusal is about the command.
          if (!(error instanceof ApiRefusal) || ![409, 422].includes(error.status)) throw error;
          const code = error.status === 409 ? 'conflict' : 'bad_data';
          return { outcome: 'refused', error: { code, message: error.message } };
        }
      }),
    drop: (id) =>
      viaRemote(client, async () => {
        await client.send({ method: 'DELETE', path: `${path}/${id}` }, z.object({ id: z.string() }));
      }),
  };
}
