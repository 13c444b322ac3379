import { setTimeout as delay } from 'node:timers/promises';
import { failureOf } from '@on-the-way/core';
import { ConnectorError, formatInstant } from '@on-the-way/sdk';
import { z } from 'zod';
import { ApiRefusal } from '../api-client.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { letterShape, replayAnswer, shownLetter } from '../http/dead-letters.ts';
import { replayLetter, wishOfLetter, type Replayed } from '../replay-letter.ts';
import { AlreadyRunning } from '../run-service.ts';
import type { FullDeadLetter } from '../storage/dead-letters.ts';
import type { CommandContext } from './context.ts';
import { exitCodeOfError } from './exit-code.ts';
import { viaRemote, type Remote } from './remote.ts';

const letterAnswer = z.object({ ...letterShape, payload: z.string().nullish() });

/** A dead letter as it is printed; with its payload where one was asked for. */
export type ShownLetter = z.output<typeof letterAnswer>;

/** What became of a replay. */
type ReplayResult =
  | { readonly outcome: 'written' | 'unchanged' | 'answered' }
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

/** Whether the run that asked for the days again got an answer; `error` is what ended the run, where something did. */
function askedResult(
  { replayed_at: at, error_code: code, error_message: message }: ShownLetter,
  error: { readonly code: string; readonly message: string } | undefined,
): ReplayResult {
  if (at !== null) return { outcome: 'answered' };
  return { outcome: 'refused', error: error ?? { code, message } };
}

async function askHere(
  { config, host }: CommandContext,
  letter: FullDeadLetter,
  letterNow: () => Promise<ShownLetter>,
): Promise<ReplayResult> {
  const connection = config.connections.find(({ name }) => name === letter.connection);
  if (!connection)
    throw new HostError(
      exitCodes.badConfig,
      `Expected the connection ${letter.connection} of this dead letter to be configured: configure it again, or drop the letter`,
    );
  const signal = new AbortController().signal;
  try {
    const request = { trigger: 'person', signal, ...wishOfLetter(letter) } as const;
    const { error } = await host.service.execute(connection, request);
    return askedResult(await letterNow(), error);
  } catch (error) {
    if (error instanceof AlreadyRunning)
      throw new HostError(exitCodes.failed, error.message, { cause: error });
    throw error;
  }
}

const runAnswer = z.object({
  run: z.object({
    status: z.string(),
    error: z.object({ code: z.string(), message: z.string().nullable() }).nullable(),
  }),
});

const lookEveryMs = 500;

/** Waits for the run that asks for the days again. */
async function followAsked(
  client: Remote['client'],
  runId: string,
  letterNow: () => Promise<ShownLetter>,
): Promise<ReplayResult> {
  for (;;) {
    const { run } = await client.get(`/v1/runs/${runId}`, runAnswer);
    if (run.status !== 'running' && run.status !== 'queued') {
      const error = run.error ? { code: run.error.code, message: run.error.message ?? '' } : undefined;
      return askedResult(await letterNow(), error);
    }
    await delay(lookEveryMs);
  }
}

function refusePayload(): never {
  const message =
    'Expected no --payload, since this letter is of days: otw dead-letters replay asks the source for them again';
  throw new HostError(exitCodes.usage, message);
}

/** What a sink or a configuration that is no good ends the command with. */
function commandError(error: unknown): unknown {
  if (!ConnectorError.is(error)) return error;
  const { code, message } = failureOf(error);
  const exitCode = code === 'transient' ? exitCodes.unreachable : exitCodeOfError(code);
  return new HostError(exitCode, `${code}: ${message}`, { cause: error });
}

/** In the database of this command. */
export function lettersHere(context: CommandContext): Letters {
  const { config, host } = context;
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
  const get = async (id: string): Promise<ShownLetter> => {
    const letter = await letterOf(id);
    return { ...shown(letter), payload: letter.payload };
  };
  return {
    list: async (filter) => (await host.letters.list(filter)).map(shown),
    get,
    async replay(id, payload) {
      const letter = await letterOf(id);
      if (letter.kind === 'slice')
        return payload === undefined ? askHere(context, letter, () => get(id)) : refusePayload();
      const { letters, sinks } = host;
      const parts = { letters, connections: config.connections, sink: (name: string) => sinks.open(name) };
      const signal = AbortSignal.timeout(60_000);
      try {
        return resultOf(await replayLetter(parts, letter, { signal, payload }));
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
  const get = (id: string): Promise<ShownLetter> =>
    viaRemote(
      client,
      async () => (await client.get(`${path}/${id}`, z.object({ dead_letter: letterAnswer }))).dead_letter,
    );
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
    get,
    replay: (id, payload) =>
      viaRemote(client, async (): Promise<ReplayResult> => {
        if (payload !== undefined && (await get(id)).kind === 'slice') return refusePayload();
        try {
          const body = { ...(payload !== undefined && { payload }) };
          const request = { method: 'POST', path: `${path}/${id}/replay`, body, withinMs: 60_000 } as const;
          const answer = await client.send(request, replayAnswer);
          if (answer.outcome === 'asked') return await followAsked(client, answer.run_id, () => get(id));
          return { outcome: answer.outcome };
        } catch (error) {
          // These two are about the event; every other refusal is about the command.
          const ofEvent = ['DUPLICATE_IDEMPOTENCY_KEY', 'INVALID_ARGUMENT'];
          if (!(error instanceof ApiRefusal) || !ofEvent.includes(error.code)) throw error;
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
