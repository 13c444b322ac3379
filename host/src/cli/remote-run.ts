import { setTimeout as delay } from 'node:timers/promises';
import type { RunSummary } from '@on-the-way/core';
import { z } from 'zod';
import { ApiRefusal, type ApiClient, type ServerEvent } from '../api-client.ts';
import { createProgress, type Progress } from './progress.ts';
import { remoteConnection, viaRemote, type Remote } from './remote.ts';

const statuses = ['queued', 'running', 'succeeded', 'partial', 'failed', 'interrupted'] as const;
const count = z.number();

const runAnswer = z.object({
  run: z.object({
    run_id: z.string(),
    connection: z.string(),
    status: z.enum(statuses),
    started_at: z.string(),
    finished_at: z.string().nullable(),
    slices_planned: count,
    requests: count,
    skipped: z.string().nullable(),
    datasets: z.record(
      z.string(),
      z
        .object({
          ok: count,
          no_data: count,
          not_supported: count,
          failed: count,
          not_asked: count,
          read: count,
          written: count,
          unchanged: count,
          conflicts: count,
          set_aside: count,
          given_up: count,
        })
        .transform(({ not_asked: notAsked, set_aside: setAside, given_up: givenUp, ...counts }) => ({
          ...counts,
          notAsked,
          setAside,
          givenUp,
        })),
    ),
    error: z.object({ code: z.string(), message: z.string().nullable() }).nullable(),
  }),
});

type Run = z.output<typeof runAnswer>['run'];

const told = z.object({
  run_id: z.string(),
  connection: z.string(),
  slices: count.optional(),
  dataset: z.string().optional(),
  from: z.string().optional(),
});

/** What a person may ask of a run. */
export interface RemoteRunWish {
  readonly name: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly datasets?: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

// The stream says when it is over; this is for when there is none.
const lookEveryMs = 2_000;
// Between the last event and the run's row.
const lookSoonMs = 50;

/** Shows what is told of a connection's run; `over` is called when one has ended. */
function follow(progress: Progress, over: () => void): (event: ServerEvent) => void {
  return ({ name, data }) => {
    const { data: event } = told.safeParse(data);
    if (!event) return;
    if (name === 'run:started') progress.started(event.slices ?? 0);
    if (name === 'slice:finished') {
      const { connection, dataset = '', from = '' } = event;
      progress.advanced({ connection, dataset, from });
    }
    if (name !== 'run:finished') return;
    progress.ended();
    over();
  };
}

async function waitFor(
  client: ApiClient,
  runId: string,
  { over, signal }: { readonly over: Promise<void>; readonly signal: AbortSignal },
): Promise<Run> {
  let everyMs = lookEveryMs;
  const soon = over.then(() => void (everyMs = lookSoonMs));
  for (;;) {
    const { run } = await client.get(`/v1/runs/${runId}`, runAnswer);
    if (run.status !== 'running' && run.status !== 'queued') return run;
    const isSoon = everyMs === lookSoonMs;
    await Promise.race([...(isSoon ? [] : [soon]), delay(everyMs, undefined, { signal })]);
  }
}

/** The host refuses a run in a pause of its source; for a script that is a run which asked nothing. */
function pausedSummary(connection: string, refusal: ApiRefusal): RunSummary | undefined {
  if (refusal.status !== 429 || refusal.retryAfterSeconds === undefined) return undefined;
  const at = Date.now();
  const { message, retryAfterSeconds } = refusal;
  return {
    runId: crypto.randomUUID(),
    connection,
    status: 'failed',
    startedAt: at,
    finishedAt: at,
    slicesPlanned: 0,
    datasets: {},
    requests: 0,
    error: { code: 'rate_limited', message, retryAfterMs: retryAfterSeconds * 1000 },
  };
}

/** The run as one of this process would have ended. */
function summaryOf(run: Run, notBefore: string | null): RunSummary | undefined {
  if (run.status === 'running' || run.status === 'queued' || run.finished_at === null) return undefined;
  const finishedAt = Date.parse(run.finished_at);
  const retryAfterMs = notBefore === null ? undefined : Math.max(0, Date.parse(notBefore) - finishedAt);
  const pauses = run.error?.code === 'rate_limited' && retryAfterMs !== undefined;
  return {
    runId: run.run_id,
    connection: run.connection,
    status: run.status,
    startedAt: Date.parse(run.started_at),
    finishedAt,
    slicesPlanned: run.slices_planned,
    datasets: run.datasets,
    requests: run.requests,
    ...(run.skipped !== null && { skipped: run.skipped }),
    ...(run.error && {
      error: { code: run.error.code, message: run.error.message ?? '', ...(pauses && { retryAfterMs }) },
    }),
  };
}

async function runOn(remote: Remote, connection: string, wish: RemoteRunWish): Promise<RunSummary> {
  const { client } = remote;
  const ended = new AbortController();
  const over = Promise.withResolvers<void>();
  const path = `/v1/connections/${connection}`;
  const listener = follow(createProgress(process.stderr), over.resolve);
  try {
    // A host with too many listeners still runs; the run is then looked at from time to time.
    await client
      .listen(`/v1/events?connection=${connection}`, listener, AbortSignal.any([wish.signal, ended.signal]))
      .catch(() => undefined);
    const { from, to, datasets } = wish;
    const body = { from, to, datasets };
    const { run_id: runId } = await client.send(
      { method: 'POST', path: `${path}/run`, body },
      z.object({ run_id: z.string() }),
    );
    const run = await waitFor(client, runId, { over: over.promise, signal: wish.signal });
    const shown = await client.get(
      path,
      z.object({ connection: z.object({ not_before: z.string().nullable() }) }),
    );
    const summary = summaryOf(run, shown.connection.not_before);
    if (summary) return summary;
    throw new Error(`Expected the run ${runId} to have an end, found none`);
  } finally {
    ended.abort();
  }
}

/**
 * One run by the host, followed to its end. Aborting ends the following alone: the run goes on in the host.
 *
 * @throws HostError in a command's words.
 */
export function runRemotely(remote: Remote, wish: RemoteRunWish): Promise<RunSummary> {
  const { name } = remoteConnection(remote, wish.name);
  return viaRemote(remote.client, async () => {
    try {
      return await runOn(remote, name, wish);
    } catch (error) {
      const paused = error instanceof ApiRefusal ? pausedSummary(name, error) : undefined;
      if (paused) return paused;
      throw error;
    }
  });
}
