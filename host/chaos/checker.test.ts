import { describe, expect, test } from 'vitest';
import {
  alwaysChecks,
  checkNow,
  checkSettled,
  recoveries,
  settledChecks,
  type Evidence,
  type Goal,
} from './checker.ts';
import type { Operation } from './history.ts';
import { accountOf } from './host-options.ts';
import type { SeenRow, SeenRun } from './observe.ts';
import { expectedFingerprint } from './verifiable-source.ts';
import { idsOf, momentId, recordNamed } from './world.ts';

// A small world in which everything is well, and one thing after another made wrong in it: a check that finds nothing
// wrong in a wrong world proves nothing.
const seed = 3;
const connection = 'c-1';
const account = accountOf(connection);
const days = ['2026-02-24', '2026-02-25', '2026-02-26', '2026-02-27'];
const runId = '00000000-0000-4000-8000-000000000001';
const laterRun = '00000000-0000-4000-8000-000000000002';

const idsOfDay = (day: string): string[] => idsOf(seed, { account, dataset: 'steps', day });
const full = days.find((day) => idsOfDay(day).length > 1) ?? '';
const records = [...days.flatMap(idsOfDay), ...[1, 2].map((number) => momentId(account, number))].map((id) =>
  recordNamed(seed, id, 0),
);

function row({ id, version }: { readonly id: string; readonly version: number }): SeenRow {
  const dataset = id.split('/')[1] ?? '';
  const fingerprint = expectedFingerprint(seed, id, version);
  return { sourceId: 'verifiable', externalId: `${id}@${version}`, dataset, id, version, fingerprint };
}

function run(of: Partial<SeenRun>): SeenRun {
  const { length } = records;
  const steps = {
    read: length,
    written: length,
    unchanged: 0,
    conflicts: 0,
    setAside: 0,
    givenUp: 0,
    failed: 0,
  };
  return {
    runId,
    connection,
    status: 'succeeded',
    startedAt: 1_000,
    finishedAt: 2_000,
    epoch: 1,
    errorCode: null,
    datasets: { steps },
    ...of,
  };
}

const told = (op: string, type: Operation['type'], more: Partial<Operation> = {}): Operation => ({
  t: 10,
  proc: 'host-1',
  op,
  id: connection,
  type,
  ...more,
});

const slices = days.map((day) => ({
  connection,
  dataset: 'steps',
  day,
  outcome: idsOfDay(day).length > 0 ? 'ok' : 'no_data',
  errorCode: null,
  runId,
  lastAttemptAt: 1_500,
}));

const good: Evidence = {
  seed,
  served: [
    { t: 1, to: '1', account, dataset: 'steps', whole: true, records: records.map(({ id }) => `${id}@0`) },
  ],
  history: [
    told('run', 'invoke', { t: 11, detail: { runId } }),
    told('slice', 'ok', { t: 12, id: `${connection}/steps/${full}` }),
    told('run', 'ok', { t: 13, detail: { runId } }),
    told('kill', 'ok', { t: 20, proc: 'suite', id: 'host-1' }),
    told('slice', 'ok', { t: 30, proc: 'host-2', id: `${connection}/steps/${full}` }),
  ],
  seen: {
    rows: records.map(row),
    slices,
    cursors: [{ connection, dataset: 'moments', cursor: 2 }],
    runs: [run({})],
    held: [],
    sessions: 0,
    texts: 'nothing to see',
  },
  logs: ['a line'],
  secrets: ['canary-1'],
};

const goal: Goal = {
  wanted: days.map((day) => ({ connection, dataset: 'steps', day })),
  records,
  atLeast: 3,
};

type Wrong = readonly [check: string, what: string, evidence: Evidence, goal?: Goal];

const seen = (changed: Partial<Evidence['seen']>): Evidence => ({
  ...good,
  seen: { ...good.seen, ...changed },
});
const history = (...more: Operation[]): Evidence => ({ ...good, history: [...good.history, ...more] });
const { rows } = good.seen;
const [first, ...rest] = rows;
const changedRow = { ...first!, fingerprint: 'of something else' };
const otherVersion = row({ id: first!.id, version: 1 });

const wrong: readonly Wrong[] = [
  ['nothingTwice', 'a key that is there twice', seen({ rows: [...rows, first!] })],
  [
    'nothingTwice',
    'a record under two keys',
    seen({ rows: [...rows, { ...first!, externalId: 'another' }] }),
  ],
  ['nothingChanged', 'a row that is not what the source has', seen({ rows: [changedRow, ...rest] })],
  ['nothingChanged', 'a row that the source never served', seen({ rows: [...rows, otherVersion] })],
  ['nothingToldIsLost', 'a slice told as done without a line in the ledger', seen({ slices: [] })],
  ['neverAhead', 'a day in the ledger without its rows', seen({ rows: rest })],
  [
    'neverAhead',
    'a day the ledger has as empty that is not',
    seen({ slices: slices.map((slice) => ({ ...slice, outcome: 'no_data' })) }),
  ],
  [
    'neverAhead',
    'a cursor behind which a row is missing',
    seen({ rows: rows.filter(({ id }) => id !== momentId(account, 1)) }),
  ],
  ['noSecret', 'a secret in a log', { ...good, logs: ['token=canary-1'] }],
  ['noSecret', 'a secret in a table', seen({ texts: '{"error":"canary-1"}' })],
  ['nothingLost', 'a record without a row', seen({ rows: rest })],
  ['nothingLost', 'a slice without an answer', seen({ slices: slices.slice(1) })],
  [
    'oneOwner',
    'a run that begins before the one before has ended',
    seen({ runs: [run({}), run({ runId: laterRun, startedAt: 1_900, epoch: 2 })] }),
  ],
  [
    'oneOwner',
    'an epoch that goes down',
    seen({ runs: [run({ epoch: 2 }), run({ runId: laterRun, startedAt: 3_000, epoch: 1 })] }),
  ],
  ['oneOwner', 'a slice recorded by a run that is over', seen({ runs: [run({ finishedAt: 1_200 })] })],
  [
    'oneOwner',
    'two hosts that tell of a run at once',
    history(
      told('run', 'invoke', { t: 40, proc: 'host-2', detail: { runId: 'a' } }),
      told('run', 'invoke', { t: 50, proc: 'host-3', detail: { runId: 'b' } }),
      told('run', 'ok', { t: 70, proc: 'host-2', detail: { runId: 'a' } }),
    ),
  ],
  ['truth', 'a run told as gone through that has failed', seen({ runs: [run({ status: 'failed' })] })],
  [
    'truth',
    'a run that succeeded with failures',
    seen({ runs: [run({ datasets: { steps: { failed: 1 } } })] }),
  ],
  [
    'truth',
    'a run under way that nobody has',
    seen({
      runs: [run({}), run({ runId: laterRun, startedAt: 3_000, status: 'running', finishedAt: null })],
    }),
  ],
  [
    'accounting',
    'an event that was read and is nowhere',
    seen({ runs: [run({ datasets: { steps: { read: 5, written: 4, unchanged: 0 } } })] }),
  ],
  [
    'accounting',
    'more rows told as written than there are',
    seen({ runs: [run({ datasets: { steps: { written: 1_000 } } })] }),
  ],
  [
    'accounting',
    'a row that no run has written',
    seen({ runs: [run({ datasets: { steps: { written: 1 } } })] }),
  ],
  [
    'bounded',
    'a host with more open files than before',
    history(told('usage', 'ok', { detail: { files: 30 } }), told('usage', 'ok', { detail: { files: 90 } })),
  ],
  [
    'recovered',
    'a fault after which nothing happened for long',
    history(
      told('calm', 'ok', { t: 100, proc: 'suite' }),
      told('slice', 'ok', { t: 70_000, id: `${connection}/steps/${full}` }),
    ),
  ],
  ['recovered', 'a fault after which nothing happened at all', history(told('calm', 'ok', { t: 100 }))],
  ['enough', 'hardly anything that happened', good, { ...goal, atLeast: 1_000 }],
];

test('a world in which everything is well has no problems', () => {
  expect(checkNow(good)).toEqual([]);
  expect(checkSettled(good, goal)).toEqual([]);
});

describe('finds', () => {
  test.each(wrong.map(([check, what, evidence, otherGoal]) => [what, check, evidence, otherGoal] as const))(
    '%s',
    (_, check, evidence, otherGoal = goal) => {
      const always = alwaysChecks[check];
      const found = always ? always(evidence) : settledChecks[check]?.(evidence, otherGoal);
      expect(found).not.toEqual([]);
      expect(found).not.toBeUndefined();
    },
  );
});

test('every check has a world that it finds wrong', () => {
  const names = [...Object.keys(alwaysChecks), ...Object.keys(settledChecks)];
  expect(names.filter((name) => !wrong.some(([check]) => check === name))).toEqual([]);
});

test('a problem names what it is about, a few of many', () => {
  const problem = checkSettled(seen({ rows: [] }), goal).find(({ invariant }) => invariant === 'I1');
  expect(problem?.message).toMatch(/^\d+ records are lost: c-1@verifiable\.example\//);
});

test('faults that follow each other are over with the last of them, and each that nothing follows is one', () => {
  const faults = [1_000, 2_000, 3_000].map((t) => told('kill', 'ok', { t }));
  const slice = told('slice', 'ok', { t: 4_000, id: `${connection}/steps/${full}` });
  const after = (...operations: Operation[]) => recoveries(operations).map(({ afterMs }) => afterMs);
  expect(after(...faults, slice)).toEqual([1_000]);
  expect(after(...faults, slice, told('kill', 'ok', { t: 5_000 }))).toEqual([1_000, Infinity]);
});
