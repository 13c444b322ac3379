import type { Failure } from '@on-the-way/core';
import type { RunStore } from '../storage/runs.ts';
import type { JobQueue } from './job-queue.ts';

const notBegun: Failure = {
  code: 'not_begun',
  message: 'Expected a host to begin the run, but its place in the queue is gone: ask for it again',
};

/**
 * Ends runs that no host has and no job is for: those that were asked for would wait for ever, and of those that are
 * marked as running nobody would write the end.
 */
export async function endUnheldRuns(
  runs: Pick<RunStore, 'unheld' | 'refuse' | 'interrupt'>,
  queue: Pick<JobQueue, 'withoutJob'>,
): Promise<void> {
  const unheld = await runs.unheld();
  // A run has its job until its end: without one it cannot begin any more.
  const lost = new Set(await queue.withoutJob(unheld.map(({ runId }) => runId)));
  for (const { runId, status } of unheld) {
    if (!lost.has(runId)) continue;
    await (status === 'queued' ? runs.refuse(runId, notBegun) : runs.interrupt(runId));
  }
}
