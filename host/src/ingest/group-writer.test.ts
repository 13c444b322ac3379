import { randomUUID } from 'node:crypto';
import {
  ConnectorError,
  type RawEvent,
  type RequestAudit,
  type SinkWriter,
  type WrittenRow,
} from '@on-the-way/sdk';
import { beforeEach, expect, test } from 'vitest';
import { createLog } from '../log.ts';
import { createRedactor } from '../redact.ts';
import { createFreeSpace } from './free-space.ts';
import { createIngestWriter, type IngestLimits } from './group-writer.ts';

/** One write that the sink was asked for, settled by the test. */
interface Call {
  readonly ids: readonly string[];
  readonly signal: AbortSignal;
  readonly lines: readonly RequestAudit[];
  done(): void;
  fail(error: Error): void;
}

let calls: Call[];
let lines: string[];
beforeEach(() => {
  calls = [];
  lines = [];
});

const writtenRow: WrittenRow = { outcome: 'written', rawId: 'id', ingestedAt: '2026-02-26T00:00:00+08:00' };

const sink: SinkWriter = {
  write: () => Promise.reject(new Error('not asked for')),
  writeAudited: (batch, { signal, audit }) =>
    new Promise((resolve, reject) => {
      const rows = batch.map(() => writtenRow);
      calls.push({
        ids: batch.map((event) => event.externalId),
        signal,
        lines: audit(rows),
        done: () => resolve({ written: rows.length, unchanged: 0, conflicts: [], rows }),
        fail: reject,
      });
    }),
  close: async () => undefined,
};

function writerWith(limits: Partial<IngestLimits> = {}, freeMb = 1_000) {
  const redactor = createRedactor();
  return createIngestWriter({
    sink: async () => sink,
    freeSpace: createFreeSpace({ folder: '/', minFreeMb: 200, freeMb: () => freeMb }),
    log: createLog({ redactor, level: 'info', pretty: false, write: (line) => lines.push(line) }),
    limits,
  });
}

function eventOf(externalId: string, payload = '{}'): RawEvent {
  const occurredAt = '2026-02-26T00:00:00+08:00';
  return { sourceId: 'source', externalId, occurredAt, payload, payloadHash: 'h', requestId: randomUUID() };
}

const refusal = (externalId: string): RequestAudit => ({
  requestId: randomUUID(),
  sourceId: 'source',
  externalId,
  receivedAt: 0,
  status: 'error',
  errorCode: 'INVALID_ARGUMENT',
  message: 'no',
});

/** Lets everything run that waits for nothing but its turn. */
async function turn(): Promise<void> {
  for (let round = 0; round < 8; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

const groups = () => calls.map(({ ids }) => ids.join(' '));

test('what arrives in one turn is written together, what comes while two are under way waits for one of them', async () => {
  const writer = writerWith();
  const answers = ['a', 'b'].map((id) => writer.write(eventOf(id), 0));
  const refused = writer.refuse(refusal('c'));
  await turn();
  answers.push(writer.write(eventOf('d'), 0));
  await turn();
  for (const id of ['e', 'f']) answers.push(writer.write(eventOf(id), 0));
  await turn();
  expect(groups()).toEqual(['a b', 'd']);
  expect(calls[0]?.lines.map(({ externalId, status }) => `${externalId} ${status}`)).toEqual([
    'a ok',
    'b ok',
    'c error',
  ]);
  calls[1]?.done();
  await turn();
  expect(groups()).toEqual(['a b', 'd', 'e f']);
  for (const call of calls) call.done();
  expect((await Promise.all(answers)).map(({ outcome }) => outcome)).toEqual(Array(5).fill('written'));
  await refused;
});

test('a group holds no more than its limits, and an event beyond them is a group of its own', async () => {
  const writer = writerWith({ groupEvents: 2, groupBytes: 10_000, groups: 9 });
  for (const id of ['a', 'b', 'c', 'd', 'e'])
    void writer.write(eventOf(id, id === 'd' ? 'x'.repeat(20_000) : '{}'), 0);
  await turn();
  expect(groups()).toEqual(['a b', 'c', 'd', 'e']);
});

test('an event that cannot be stored is refused alone', async () => {
  const writer = writerWith();
  const answers = ['a', 'poison', 'b'].map((id) => writer.write(eventOf(id), 0));
  const settled = Promise.allSettled(answers);
  await turn();
  const bad = new ConnectorError('bad_data', 'no');
  calls[0]?.fail(bad);
  for (const next of [1, 2, 3]) {
    await turn();
    if (calls[next]?.ids[0] === 'poison') calls[next]?.fail(bad);
    else calls[next]?.done();
  }
  expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(groups()).toEqual(['a poison b', 'a', 'poison', 'b']);
});

test('when the database is away every request of the group is told so, and a refusal is logged', async () => {
  const writer = writerWith();
  const settled = Promise.allSettled(['a', 'b'].map((id) => writer.write(eventOf(id), 0)));
  const refused = writer.refuse(refusal('c'));
  await turn();
  calls[0]?.fail(new ConnectorError('transient', 'away'));
  expect(await settled).toMatchObject(Array(2).fill({ reason: { code: 'transient' } }));
  await refused;
  expect(lines.join('')).toContain('refused request could not be audited');
});

test('beyond what may wait, requests are refused at once', async () => {
  const writer = writerWith({ groups: 1, waitingEvents: 3, waitingBytes: 20_000 });
  void writer.write(eventOf('under way'), 0);
  await turn();
  void writer.write(eventOf('a'), 0);
  await expect(writer.write(eventOf('big', 'x'.repeat(20_000)), 0)).rejects.toMatchObject({ status: 503 });
  void writer.write(eventOf('b'), 0);
  void writer.write(eventOf('c'), 0);
  const refused = { status: 503, code: 'OVERLOADED', retryAfterSeconds: 1 };
  await expect(writer.write(eventOf('d'), 0)).rejects.toMatchObject(refused);
  calls[0]?.done();
  await turn();
  void writer.write(eventOf('d'), 0);
  calls[1]?.done();
  await turn();
  expect(groups()).toEqual(['under way', 'a b c', 'd']);
});

test('of events that come together either all are taken on, or none', async () => {
  const writer = writerWith({ groups: 1, waitingEvents: 3, waitingBytes: 20_000 });
  const first = writer.writeAll([eventOf('under way')], 0);
  await turn();
  const many = ['a', 'b', 'c', 'd'].map((id) => eventOf(id));
  const refused = { status: 503, code: 'OVERLOADED', retryAfterSeconds: 1 };
  expect(() => writer.writeAll(many, 0)).toThrow(expect.objectContaining(refused));
  const large = [eventOf('a'), eventOf('b', 'x'.repeat(20_000))];
  expect(() => writer.writeAll(large, 0)).toThrow(expect.objectContaining(refused));
  const taken = writer.writeAll(many.slice(1), 0);
  calls[0]?.done();
  await turn();
  calls[1]?.done();
  expect([...(await first), ...(await taken)]).toEqual(Array(4).fill(writtenRow));
  expect(groups()).toEqual(['under way', 'b c d']);
});

test('events that come together are not divided, unless they are more than a group', async () => {
  const writer = writerWith({ groups: 1, groupEvents: 4, groupBytes: 1_000_000 });
  const named = (...ids: string[]) => ids.map((id) => eventOf(id));
  const all = [
    writer.writeAll(named('a'), 0),
    writer.writeAll(named('b', 'c', 'd'), 0),
    writer.writeAll(named('e', 'f', 'g'), 0),
    writer.writeAll(named('1', '2', '3', '4', '5'), 0),
    writer.write(eventOf('h'), 0),
  ];
  for (let group = 0; group < 4; group += 1) {
    await turn();
    calls.at(-1)?.done();
  }
  await Promise.all(all);
  expect(groups()).toEqual(['a b c d', 'e f g', '1 2 3 4', '5 h']);
});

test('of events that come together each is told for itself what became of it, in their order', async () => {
  const writer = writerWith({ groups: 1, groupEvents: 2 });
  const written = writer.writeAll(
    ['a', 'b', 'c'].map((id) => eventOf(id)),
    0,
  );
  await turn();
  const away = new ConnectorError('transient', 'away');
  calls[0]?.fail(away);
  await turn();
  calls[1]?.done();
  expect(await written).toEqual([{ error: away }, { error: away }, writtenRow]);
  expect(await writer.writeAll([], 0)).toEqual([]);
});

test('an event that cannot be stored costs a large group few transactions', async () => {
  const writer = writerWith();
  const ids = Array.from({ length: 1000 }, (_, index) => (index === 700 ? 'poison' : `${index}`));
  const written = writer.writeAll(
    ids.map((id) => eventOf(id)),
    0,
  );
  const bad = new ConnectorError('bad_data', 'no');
  for (let next = 0; next < 100; next += 1) {
    await turn();
    if (calls[next]?.ids.includes('poison')) calls[next]?.fail(bad);
    else calls[next]?.done();
  }
  const refused = (await written).flatMap((one, at) => ('error' in one ? ids[at]! : []));
  expect(refused).toEqual(['poison']);
  expect(calls.length).toBeLessThan(50);
});

test('whoever has more to bring waits while half of what may wait does', async () => {
  const writer = writerWith({ groups: 1, groupEvents: 1, waitingEvents: 4 });
  void writer.writeAll(
    ['a', 'b', 'c', 'd'].map((id) => eventOf(id)),
    0,
  );
  let isTold = false;
  const room = writer.room()?.then(() => (isTold = true));
  await turn();
  expect([groups(), isTold]).toEqual([['a'], false]);
  calls[0]?.done();
  await turn();
  expect(isTold).toBe(true);
  await room;
  expect(writer.room()).toBeUndefined();
});

test('a refusal does not wait for its audit longer than the limit; when that fails, it is logged', async () => {
  const writer = writerWith({ refusalWaitMs: 20 });
  await writer.refuse(refusal('a'));
  expect(lines).toEqual([]);
  calls[0]?.fail(new ConnectorError('transient', 'away'));
  await turn();
  expect(lines.join('')).toContain('refused request could not be audited');
});

test('nobody waits longer than the limit, neither in a transaction nor for one', async () => {
  const writer = writerWith({ groups: 1, waitMs: 60 });
  const settled = Promise.allSettled(['a', 'b'].map((id) => writer.write(eventOf(id), 0)));
  await turn();
  const waiting = writer.write(eventOf('c'), 0);
  const late = { status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfterSeconds: 5 };
  await expect(waiting).rejects.toMatchObject(late);
  expect(await settled).toMatchObject(Array(2).fill({ reason: late }));
  expect(calls[0]?.signal.aborted).toBe(true);
  // The transaction may still end as it likes; until it does, its place is taken.
  const next = writer.write(eventOf('d'), 0);
  await turn();
  expect(groups()).toEqual(['a b']);
  calls[0]?.fail(new Error('aborted'));
  await turn();
  calls[1]?.done();
  expect(await next).toEqual(writtenRow);
});

test('the limit holds while members of a spoilt group are tried one by one', async () => {
  const writer = writerWith({ waitMs: 60 });
  const settled = Promise.allSettled(['a', 'b', 'c'].map((id) => writer.write(eventOf(id), 0)));
  await turn();
  calls[0]?.fail(new ConnectorError('bad_data', 'no'));
  expect(await settled).toMatchObject(Array(3).fill({ reason: { status: 503 } }));
  calls[1]?.fail(new Error('aborted'));
  await turn();
  expect(groups()).toEqual(['a b c', 'a']);
});

test('with a disk that is nearly full nothing is taken in', async () => {
  const writer = writerWith({}, 100);
  const refused = { status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfterSeconds: 30 };
  await expect(writer.write(eventOf('a'), 0)).rejects.toMatchObject(refused);
  expect(calls).toEqual([]);
});

test('closing gives up what has not been settled in time', async () => {
  const writer = writerWith({ groups: 1, closeMs: 30 });
  const settled = Promise.allSettled([writer.write(eventOf('under way'), 0)]);
  await turn();
  const queued = Promise.allSettled([writer.write(eventOf('waiting'), 0)]);
  await writer.close();
  const late = { reason: { status: 503, code: 'DEPENDENCY_UNAVAILABLE' } };
  expect([...(await settled), ...(await queued)]).toMatchObject([late, late]);
  expect(calls[0]?.signal.aborted).toBe(true);
  expect(groups()).toEqual(['under way']);
});

test('closing waits for what was handed over', async () => {
  const writer = writerWith({ groups: 1 });
  const order: string[] = [];
  void writer.write(eventOf('a'), 0).then(() => order.push('a'));
  await turn();
  void writer.write(eventOf('b'), 0).then(() => order.push('b'));
  const closed = writer.close().then(() => order.push('closed'));
  calls[0]?.done();
  await turn();
  expect(order).toEqual(['a']);
  calls[1]?.done();
  await closed;
  expect(order).toEqual(['a', 'b', 'closed']);
  await writerWith().close();
});
