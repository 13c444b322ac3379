import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import {
  backfillAnswer,
  createWaitTeller,
  type BackfillEnd,
  type Backfills,
  type ShownBackfill,
} from './backfill-output.ts';
import { viaRemote, type Remote } from './remote.ts';

const oneAnswer = z.object({ backfill: backfillAnswer });

const failure = z.object({ code: z.string(), message: z.string().nullable() }).nullable();

const runsAnswer = z.object({
  items: z.array(
    z.object({
      run_id: z.string(),
      trigger: z.string(),
      status: z.string(),
      error: failure,
    }),
  ),
});

const stateAnswer = z.object({
  connection: z.object({
    not_before: z.string().nullable(),
    paused_at: z.string().nullable(),
    last_error: failure.optional(),
  }),
});

const lookEveryMs = 500;

/** What a host says of a connection and its runs. */
function lookingAt({ client }: Remote, connection: string) {
  /** The newest run of a backfill of the connection. */
  async function newestRun() {
    const { items } = await client.get(`/v1/runs?connection=${connection}&limit=20`, runsAnswer);
    return items.find(({ trigger }) => trigger === 'backfill');
  }

  async function stateOfConnection() {
    return (await client.get(`/v1/connections/${connection}`, stateAnswer)).connection;
  }

  /** What keeps the host from beginning it. */
  async function holdUp(): Promise<BackfillEnd['error']> {
    const state = await stateOfConnection();
    const { not_before: notBefore } = state;
    if (notBefore === null || Date.parse(notBefore) <= Date.now()) return undefined;
    const message = `The source asked for a pause until ${notBefore}: the host goes on after it`;
    return { code: 'rate_limited', message };
  }

  return { newestRun, stateOfConnection, holdUp };
}

/** Through a host's API. */
export function backfillsByHost(remote: Remote, connection: string): Backfills {
  const { client } = remote;
  const { newestRun, stateOfConnection, holdUp } = lookingAt(remote, connection);
  const path = `/v1/connections/${connection}/backfills`;
  const get = (id: string): Promise<ShownBackfill> =>
    viaRemote(client, async () => (await client.get(`${path}/${id}`, oneAnswer)).backfill);

  // The last run before it was wanted, of which nothing is to be told.
  let before: string | undefined;

  /** Why one that has to wait does not go on by itself any time soon. */
  async function endOfWaiting(): Promise<BackfillEnd['error']> {
    const run = await newestRun();
    const isNew = run !== undefined && run.run_id !== before && run.status !== 'running';
    const { last_error: last } = await stateOfConnection();
    const refused = last?.code === 'auth' || last?.code === 'needs_user' ? last : null;
    const error = (isNew ? run.error : null) ?? refused;
    return error ? { code: error.code, message: error.message ?? '' } : undefined;
  }

  async function follow(id: string, stop: AbortSignal): Promise<BackfillEnd['error']> {
    const tellWait = createWaitTeller();
    while (!stop.aborted) {
      const { state, next_run_at: until } = await get(id);
      if (state !== 'open') return undefined;
      const error = (await holdUp()) ?? (until === null ? undefined : await endOfWaiting());
      if (error && (await get(id)).state === 'open') return error;
      if (until !== null) tellWait(until);
      await delay(lookEveryMs, undefined, { signal: stop }).catch(() => undefined);
    }
    return undefined;
  }

  return {
    add: (wanted) =>
      viaRemote(client, async () => {
        const answer = z.object({ ...oneAnswer.shape, left_out: z.array(z.string()) });
        before = (await newestRun())?.run_id;
        const added = await client.send({ method: 'POST', path, body: wanted }, answer);
        return { backfill: added.backfill, leftOut: added.left_out };
      }),
    isPaused: () => viaRemote(client, async () => (await stateOfConnection()).paused_at !== null),
    list: () =>
      viaRemote(
        client,
        async () => (await client.get(path, z.object({ items: z.array(backfillAnswer) }))).items,
      ),
    get,
    cancel: (id) =>
      viaRemote(
        client,
        async () => (await client.send({ method: 'POST', path: `${path}/${id}/cancel` }, oneAnswer)).backfill,
      ),
    work: (id, stop) => viaRemote(client, () => follow(id, stop.signal)),
    onStop: 'It goes on in the host: otw backfill --list shows how far it is, otw backfill --cancel ends it.',
    onDetach: `The host at ${client.origin} does it.`,
  };
}
