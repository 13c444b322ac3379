import { randomUUID } from 'node:crypto';
import type { RunSummary } from '@on-the-way/core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createOtherHost, type OtherHost } from '../../test/other-host.ts';
import { createMigratedDatabase, type TestDatabase } from '../../test/postgres.ts';
import { openDatabase, type Database } from './database.ts';
import { Fenced, underFence } from './fence.ts';
import { createRunEndStore } from './run-end.ts';
import { createRunStore } from './runs.ts';

let made: TestDatabase;
let database: Database;
const opened: OtherHost[] = [];

beforeAll(async () => {
  made = await createMigratedDatabase();
  database = openDatabase(made.url, 'Asia/Shanghai');
});

afterEach(async () => {
  for (const host of opened.splice(0)) await host.close();
});

afterAll(async () => {
  await database.destroy();
  await made.drop();
});

function openHost(): OtherHost {
  const host = createOtherHost({ databaseUrl: made.url });
  opened.push(host);
  return host;
}

const sessionsOf = (hostId: string) =>
  database.raw<{ rows: { pid: number }[] }>(
    `select pid from pg_locks where locktype = 'advisory' and objsubid = 1
       and ((classid::bigint << 32) | objid::bigint) = hashtextextended('on-the-way host ' || ?, 0)`,
    [hostId],
  );

test('of many takers on several hosts one has the connection, and each change of hands raises the epoch', async () => {
  const hosts = [openHost(), openHost(), openHost()];
  const taken = await Promise.all(
    Array.from({ length: 12 }, (_, index) => hosts[index % 3]?.claims.take('a', { waitMs: 0 })),
  );
  const claims = taken.filter((claim) => claim !== undefined);
  expect(claims).toHaveLength(1);
  expect(await hosts[0]?.claims.held(['a', 'b'])).toEqual(new Set(['a']));
  await claims[0]?.release();
  const next = await hosts[1]?.claims.take('a', { waitMs: 0 });
  expect(next?.epoch).toBe((claims[0]?.epoch ?? 0) + 1);
});

test('who waits has it as soon as it is given back', async () => {
  const [first, second] = [openHost(), openHost()];
  const claim = await first.claims.take('b', { waitMs: 0 });
  const waiting = second.claims.take('b', { waitMs: 20_000 });
  await claim?.release();
  expect((await waiting)?.connection).toBe('b');
});

test('a host that leaves lets go of what it has', async () => {
  const [first, second] = [openHost(), openHost()];
  await first.claims.take('c', { waitMs: 0 });
  await first.hosts.leave();
  expect(await second.claims.take('c', { waitMs: 0 })).toBeDefined();
});

test('a host that was declared dead is told, loses its claims, cannot write, and joins anew', async () => {
  const [frozen, other] = [openHost(), openHost()];
  const claim = await frozen.claims.take('d', { waitMs: 0 });
  if (!claim) throw new Error('Expected a claim');
  await underFence(database, claim, async () => undefined);
  const told = Promise.withResolvers<void>();
  frozen.hosts.onDeclaredDead(told.resolve);
  await other.hosts.join();
  await database.raw('delete from app.host where host_id = ?', [claim.hostId]);
  expect(await other.hosts.reap()).toContainEqual({ connection: 'd', runId: null, jobId: null });
  const taken = await other.claims.take('d', { waitMs: 0 });
  let written = false;
  await expect(
    underFence(database, claim, async () => {
      written = true;
    }),
  ).rejects.toThrow(Fenced);
  expect(written).toBe(false);
  await told.promise;
  expect(claim.lost.aborted).toBe(true);
  await claim.release();
  expect(await other.claims.held(['d'])).toEqual(new Set(['d']));
  expect(await frozen.hosts.join()).not.toBe(claim.hostId);
  await taken?.release();
});

test('a session that is lost is taken up again: the host keeps its id and what it has', async () => {
  const [host, other] = [openHost(), openHost()];
  const claim = await host.claims.take('e', { waitMs: 0 });
  if (!claim) throw new Error('Expected a claim');
  const before = (await sessionsOf(claim.hostId)).rows[0]?.pid ?? 0;
  await database.raw('select pg_terminate_backend(?)', [before]);
  await expect.poll(async () => (await sessionsOf(claim.hostId)).rows[0]?.pid ?? before).not.toBe(before);
  expect(await other.claims.take('e', { waitMs: 0 })).toBeUndefined();
  await underFence(database, claim, async () => undefined);
  expect(await host.hosts.join()).toBe(claim.hostId);
});

test('a claim whose answer was lost on the way is taken once more by the same host', async () => {
  const host = openHost();
  const hostId = await host.hosts.join();
  await database.raw(`insert into app.connection_claim (connection, epoch, host_id) values ('f', 7, ?)`, [
    hostId,
  ]);
  expect((await host.claims.take('f', { waitMs: 0 }))?.epoch).toBe(8);
  expect(await host.claims.take('f', { waitMs: 0 })).toBeUndefined();
});

test('whoever has joined is woken, and hears nothing after it has asked not to', async () => {
  const [host, other] = [openHost(), openHost()];
  await host.hosts.join();
  const woken = Promise.withResolvers<void>();
  const stop = host.hosts.onWake(woken.resolve);
  await other.hosts.wake();
  await woken.promise;
  stop();
});

test('a change of hands waits for a write that has begun under the fence', async () => {
  const [host, other] = [openHost(), openHost()];
  const claim = await host.claims.take('g', { waitMs: 0 });
  if (!claim) throw new Error('Expected a claim');
  await other.hosts.join();
  let over = false;
  await underFence(database, claim, async (transaction) => {
    await database.raw('delete from app.host where host_id = ?', [claim.hostId]);
    const reaping = other.hosts.reap().then(() => (over = true));
    await transaction.raw('select pg_sleep(0.3)');
    expect(over).toBe(false);
    void reaping;
  });
  await expect.poll(() => over).toBe(true);
});

const beginning = (runId: string) => ({
  run: () => ({ runId, trigger: 'schedule', startedAt: Date.now(), dayStartedAt: 0 }) as const,
});

const statusOf = async (runId: string): Promise<string | undefined> => {
  const sql = 'select status from app.run where run_id = ?';
  return (await database.raw<{ rows: { status: string }[] }>(sql, [runId])).rows[0]?.status;
};

const theirEnds = () =>
  createRunEndStore({
    database,
    clean: (text) => text,
    random: () => 0,
    teller: { isWanted: false, host: 'test', simulated: true },
  });

function succeeded(connection: string, runId: string): RunSummary {
  const nothing = { slicesPlanned: 0, datasets: {}, requests: 0, startedAt: 0, finishedAt: 0 };
  return { runId, connection, status: 'succeeded', ...nothing };
}

test('a run begins with its claim: one that has ended already, or whose beginning fails, leaves the connection free', async () => {
  const [host, other] = [openHost(), openHost()];
  const runId = randomUUID();
  const claim = await host.claims.take('h', { waitMs: 0, runId, begins: beginning(runId) });
  expect(await statusOf(runId)).toBe('running');
  expect(await other.claims.take('h', { waitMs: 0, begins: beginning(randomUUID()) })).toBeUndefined();
  if (claim) await theirEnds().record({ summary: succeeded('h', runId), elapsedMs: 0 }, claim);
  await expect(other.claims.take('h', { waitMs: 0, runId, begins: beginning(runId) })).rejects.toThrow(
    Fenced,
  );
  expect(await statusOf(runId)).toBe('succeeded');
  const next = randomUUID();
  const beside = () => Promise.reject(new Error('no place in the queue'));
  const failing = { waitMs: 0, begins: { ...beginning(next), beside } };
  await expect(other.claims.take('h', failing)).rejects.toThrow('no place in the queue');
  expect(await statusOf(next)).toBeUndefined();
  expect(await host.claims.held(['h'])).toEqual(new Set());
});

test('the end of a run frees its connection in one commit, or nothing of it is there', async () => {
  const host = openHost();
  const runId = randomUUID();
  const claim = await host.claims.take('i', { waitMs: 0, runId, begins: beginning(runId) });
  if (!claim) throw new Error('Expected a claim');
  const end = { summary: succeeded('i', runId), elapsedMs: 0 };
  const beside = async (): Promise<void> => {
    // Nobody sees it as free before the end is there for all.
    expect(await host.claims.held(['i'])).toEqual(new Set(['i']));
    throw new Error('the job is gone');
  };
  await expect(theirEnds().record({ ...end, beside }, claim)).rejects.toThrow('the job is gone');
  expect([await statusOf(runId), await host.claims.held(['i'])]).toEqual(['running', new Set(['i'])]);
  await theirEnds().record(end, claim);
  expect([await statusOf(runId), await host.claims.held(['i'])]).toEqual(['succeeded', new Set()]);
  // It ends once, also while nobody else has the connection.
  await expect(theirEnds().record(end, claim)).rejects.toThrow(Fenced);
  const next = await openHost().claims.take('i', { waitMs: 0 });
  // What is released late lets nobody else's go.
  await claim.release();
  expect(await host.claims.held(['i'])).toEqual(new Set(['i']));
  await expect(theirEnds().record(end, claim)).rejects.toThrow(Fenced);
  expect(next?.epoch).toBe(claim.epoch + 1);
});

async function untilOneWaits(): Promise<void> {
  const sql = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  await expect.poll(async () => (await database.raw<{ rows: unknown[] }>(sql)).rows.length).toBe(1);
}

test.each(['running', 'queued'])(
  'a run that was %s is not ended by who saw it just before it was begun',
  async (was) => {
    const runs = createRunStore(database, (text) => text);
    const runId = randomUUID();
    const connection = `begun while ${was}`;
    const begins = beginning(runId);
    if (was === 'queued') await runs.ask({ runId, connection }, async () => undefined);
    else await (await openHost().claims.take(connection, { waitMs: 0, runId, begins }))?.release();
    expect(await runs.unheld()).toContainEqual({ runId, status: was });
    const end = () =>
      was === 'queued' ? runs.refuse(runId, { code: 'config', message: '' }) : runs.interrupt(runId);
    let ended: Promise<void> | undefined;
    const beside = async (): Promise<void> => {
      ended = end();
      await untilOneWaits();
    };
    await openHost().claims.take(connection, { waitMs: 0, runId, begins: { ...begins, beside } });
    await ended;
    expect(await statusOf(runId)).toBe('running');
  },
);
