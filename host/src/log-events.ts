import { isUnasked, type Bus } from '@on-the-way/core';
import { addDays } from '@on-the-way/sdk';
import type { HostLog } from './log.ts';

/** Writes what the engine tells into the log: a line a slice that failed, a line a dataset that is left alone, a line a run. */
export function logEvents(bus: Bus, log: HostLog): void {
  bus.on('run:started', ({ runId, connection, slices }) => {
    log.info({ connection, run: runId, slices }, 'run started');
  });
  bus.on('slice:finished', ({ runId, connection, slice, outcomes, status }) => {
    const failed = outcomes.find(({ outcome }) => outcome === 'failed');
    const last = addDays(slice.window.to, -1);
    const date = slice.window.from === last ? last : `${slice.window.from}..${last}`;
    const about = { connection, run: runId, metric_type: slice.dataset, date };
    if (failed) {
      // Of a dataset that is left alone one line tells.
      const level = isUnasked(failed) ? 'debug' : 'warn';
      log[level](
        { ...about, status: status ?? failed.errorCode, error: failed.errorMessage },
        'slice failed',
      );
    }
    const conflicts = outcomes.reduce((sum, outcome) => sum + outcome.conflicts, 0);
    if (conflicts > 0) log.warn({ ...about, conflicts }, 'events not stored: their keys hold something else');
  });
  bus.on('events:counted', ({ connection, dataset, counts: { setAside } }) => {
    if (setAside === 0) return;
    log.warn(
      { connection, metric_type: dataset, events: setAside },
      'events set aside: see otw dead-letters',
    );
  });
  bus.on('slice:retry', ({ connection, dataset, attempt, delayMs, message }) => {
    log.debug(
      { connection, metric_type: dataset, attempt, delayMs: Math.round(delayMs), error: message },
      'trying again',
    );
  });
  bus.on('question:failed', ({ connection, question, code, message }) => {
    log.warn(
      { connection, question, code, error: message },
      'could not ask what changed; asking for everything',
    );
  });
  bus.on('breaker:opened', ({ connection, dataset }) => {
    log.warn({ connection, metric_type: dataset }, 'dataset left alone after failures in a row');
  });
  bus.on('run:finished', ({ runId, connection, status, startedAt, finishedAt, requests, skipped, error }) => {
    const level = status === 'succeeded' ? 'info' : 'warn';
    log[level](
      {
        connection,
        run: runId,
        status,
        seconds: (finishedAt - startedAt) / 1000,
        requests,
        ...(skipped !== undefined && { skipped }),
        ...(error && { error: error.message, code: error.code }),
      },
      'run finished',
    );
  });
}
