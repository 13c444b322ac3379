import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { backfillAnswer, type BackfillEnd, type Backfills, type ShownBackfill } from './backfill-output.ts';
import { viaRemote, type Remote } from './remote.ts';

const oneAnswer = z.object({ backfill: backfillAnswer });

const runsAnswer = z.object({
  items: z.array(
    z.object({
      run_id: z.string(),
      trigger: z.string(),
      status: z.string(),
      error: z.object({ code: z.string(), message: z.string().nullable() }).nullable(),
    }),
  ),
});

const stateAnswer = z.object({
  connection: z.object({ not_before: z.string().nullable(), paused_at: z.string().nullable() }),
});

const lookEveryMs = 500;

/** Through a host's API. */
export function backfillsByHost({ client }: Remote, connection: string): Backfills {
  const path = `/v1/connections/${connection}/backfills`;
  const get = (id: string): Promise<ShownBackfill> =>
    viaRemote(client, async () => (await client.get(`${path}/${id}`, oneAnswer)).backfill);

  // The last run before it was wanted, of which nothing is to be told.
  let before: string | undefined;

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

  async function follow(id: string, stop: AbortSignal): Promise<BackfillEnd['error']> {
    const held = await holdUp();
    if (held) return held;
    while (!stop.aborted) {
      if ((await get(id)).state !== 'open') return undefined;
      const run = await newestRun();
      // It is open still, so what ended its run keeps it from going on.
      if (run?.error && run.run_id !== before && run.status !== 'running' && (await get(id)).state === 'open')
        return { code: run.error.code, message: run.error.message ?? '' };
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
