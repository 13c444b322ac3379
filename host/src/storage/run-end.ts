import type { RunSummary } from '@on-the-way/core';
import type { Knex } from 'knex';
import { brokenCodes, nextRunAfter } from '../next-run.ts';
import { noteState, type Teller } from '../notify/note-state.ts';
import { createConnectionStore } from './connections.ts';
import { prepared, type Database } from './database.ts';
import type { Claim } from './claims.ts';
import { underLastFence } from './fence.ts';
import { finishRun } from './runs.ts';
import { createSignInPauses } from './sign-in-pauses.ts';
import { settleSliceLetters } from './slice-letters.ts';

/** What is to be remembered of a run that is over. */
interface RunEnd {
  readonly summary: RunSummary;
  /** Of a run of everything that went through: what the source said of its last change, so that the next can be skipped. */
  readonly pass?: { readonly change: string | null; readonly at: number };
  /** Seconds between runs; missing where the run was a person's wish or a backfill, which move the next run only for a pause. */
  readonly intervalSeconds?: number;
  /** How long the run took, by a clock that nobody sets. */
  readonly elapsedMs: number;
  /** Of a run that was refused, or wanted a person: a digest of what it signed in with. */
  readonly refusedBasis?: string | undefined;
  /** What else its end changes, in the same transaction; done once the run's row is written. */
  readonly beside?: ((summary: RunSummary, transaction: Knex.Transaction) => Promise<void>) | undefined;
}

/** Where the ends of runs are remembered. */
export interface RunEndStore {
  /**
   * Everything that a run's end changes, or nothing: its row, the connection's health and pauses, letters of days that
   * have an answer by now, when it is due, its job, and its claim: the connection is free then.
   * Resolves with how long the source is left alone, in milliseconds, if it is.
   *
   * @throws Fenced when another host has the connection by now.
   */
  record(
    end: RunEnd,
    claim: Pick<Claim, 'connection' | 'epoch' | 'wasReleased'>,
  ): Promise<number | undefined>;
}

/** What the store is made of. */
export interface RunEndParts {
  readonly database: Database;
  /** Takes secrets out of error messages. */
  readonly clean: (text: string) => string;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
  /** Who tells of a connection whose state has changed. */
  readonly teller: Teller;
}

/** Of the newest runs, those in a row that the plugin itself ended; as many as are of interest. */
async function brokenRuns(transaction: Knex.Transaction, { connection, error }: RunSummary): Promise<number> {
  if (!error || !brokenCodes.includes(error.code)) return 0;
  const { rows } = await transaction.raw<{ rows: { broken: boolean }[] }>(
    `select coalesce(error_code = any(?), false) as broken from app.run
     where connection = ? and finished_at is not null order by started_at desc limit 7`,
    [[...brokenCodes], connection],
  );
  const first = rows.findIndex(({ broken }) => !broken);
  return first === -1 ? rows.length : first;
}

async function moveNextRun(
  transaction: Knex.Transaction,
  { summary, intervalSeconds, elapsedMs, pauseMs }: RunEnd & { readonly pauseMs: number | undefined },
  random: () => number,
): Promise<void> {
  const { connection } = summary;
  if (intervalSeconds === undefined) {
    if (pauseMs === undefined || summary.error?.refusedSignIn === true) return;
    await transaction.raw(
      `update app.connection_state set next_run_at = greatest(next_run_at, now() + ? * interval '1 millisecond')
       where connection = ? and next_run_at is not null`,
      [pauseMs, connection],
    );
    return;
  }
  const broken = await brokenRuns(transaction, summary);
  const ended = { summary, intervalSeconds, elapsedMs, pauseMs, brokenRuns: broken, random };
  const { afterMs, reason } = nextRunAfter(ended);
  await prepared(
    transaction,
    `update app.connection_state set next_run_at = now() + ? * interval '1 millisecond', due_reason = ?
     where connection = ?`,
    [Math.round(afterMs), reason, connection],
  );
}

/** A refused sign-in pauses sign-ins alone: what a saved session can read goes on being read. */
async function pauseSignIns(
  transaction: Knex.Transaction,
  { connection, finishedAt, error }: RunSummary,
): Promise<number | undefined> {
  if (error?.code !== 'rate_limited' || error.refusedSignIn !== true) return undefined;
  return createSignInPauses(transaction).refused(connection, finishedAt, error.retryAfterMs);
}

/** Makes the store. */
export function createRunEndStore({ database, clean, random, teller }: RunEndParts): RunEndStore {
  return {
    async record(end, claim) {
      const pauseMs = await underLastFence(database, claim, async (transaction) => {
        const { summary, pass } = end;
        await settleSliceLetters(transaction, summary.connection);
        await finishRun(transaction, summary, clean);
        await end.beside?.(summary, transaction);
        const connections = createConnectionStore(transaction, clean);
        const pauseMs = (await connections.finish(summary)) ?? (await pauseSignIns(transaction, summary));
        if (pass) await connections.rememberPass(summary.connection, pass);
        await moveNextRun(transaction, { ...end, pauseMs }, random);
        if (end.refusedBasis !== undefined)
          await transaction.raw('update app.connection_state set refused_basis = ? where connection = ?', [
            end.refusedBasis,
            summary.connection,
          ]);
        await noteState(transaction, { summary, ofEverything: end.intervalSeconds !== undefined }, teller);
        return pauseMs;
      });
      claim.wasReleased();
      return pauseMs;
    },
  };
}
