import type { Operation } from './history.ts';
import { accountOf } from './host-options.ts';
import type { Observation, SeenRun } from './observe.ts';
import { expectedFingerprint, type Served } from './verifiable-source.ts';
import { cursorDataset, idsOf, momentId } from './world.ts';

/** Everything there is to judge by: what the source said, what hosts told, what stands in the database. */
export interface Evidence {
  readonly seed: number;
  readonly served: readonly Served[];
  readonly history: readonly Operation[];
  readonly seen: Observation;
  /** Texts that hosts wrote to their logs. */
  readonly logs: readonly string[];
  readonly secrets: readonly string[];
}

/** What must have come of it once everything is calm. */
export interface Goal {
  readonly wanted: readonly { readonly connection: string; readonly dataset: string; readonly day: string }[];
  /** Name and version of every record the source has of what is wanted. */
  readonly records: readonly { readonly id: string; readonly version: number }[];
  /** Fewer operations that went well prove nothing. */
  readonly atLeast: number;
  /** Hosts' clocks were off, so that times of different hosts cannot be compared. */
  readonly skewed?: boolean;
  /** How long it may take from the end of a fault to the next progress, milliseconds. Default 60,000: twice what is promised, on a machine that does other things. */
  readonly recoverWithinMs?: number;
}

/** Something that is not as promised. */
export interface Problem {
  readonly invariant: string;
  readonly message: string;
}

type Check = (evidence: Evidence) => Problem[];
type GoalCheck = (evidence: Evidence, goal: Goal) => Problem[];

const shownAtMost = 20;

/** One problem that names what it is about, or none. */
function problem(invariant: string, what: string, ids: readonly string[]): Problem[] {
  if (ids.length === 0) return [];
  const shown = [...new Set(ids)].slice(0, shownAtMost).join(', ');
  return [{ invariant, message: `${ids.length} ${what}: ${shown}` }];
}

function repeated(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.filter((name) => seen.has(name) || !seen.add(name));
}

const versionOf = ({ id, version }: { readonly id: string; readonly version: number }): string =>
  `${id}@${version}`;

/** I2: each key once, and each version of a record once. */
const nothingTwice: Check = ({ seen }) => [
  ...problem(
    'I2',
    'keys twice',
    repeated(seen.rows.map((row) => JSON.stringify([row.sourceId, row.externalId]))),
  ),
  ...problem('I2', 'records twice', repeated(seen.rows.map(versionOf))),
];

/** I4: what stands there is what the source said, and it said it in an answer that left whole or in part. */
const nothingChanged: Check = ({ seed, seen, served }) => {
  const said = new Set(served.flatMap(({ records }) => records));
  const rows = seen.rows.map((row) => ({ row, name: versionOf(row) }));
  const changed = rows.filter(
    ({ row }) => row.fingerprint !== expectedFingerprint(seed, row.id, row.version),
  );
  return [
    ...problem(
      'I4',
      'rows are not what the source has',
      changed.map(({ name }) => name),
    ),
    ...problem(
      'I4',
      'rows were never served',
      rows.flatMap(({ name }) => (said.has(name) ? [] : [name])),
    ),
  ];
};

/** I1: what a host told as done, before whatever came over it, stands in the ledger. */
const nothingToldIsLost: Check = ({ history, seen }) => {
  const answered = new Set(
    seen.slices.flatMap(({ connection, dataset, day, outcome }) =>
      // A later failure to ask again does not take the answer back, but its line says failed.
      outcome === 'not_supported' ? [] : [`${connection}/${dataset}/${day}`],
    ),
  );
  const told = history.filter(({ op, type }) => op === 'slice' && type === 'ok').map(({ id }) => id);
  return problem(
    'I1',
    'slices told as done are not in the ledger',
    told.filter((id) => !answered.has(id)),
  );
};

/** I3: the ledger and the cursors say nothing is done that is not there. */
const neverAhead: Check = ({ seed, seen }) => {
  const there = new Set(seen.rows.map(({ id }) => id));
  const missing = seen.slices.flatMap(({ connection, dataset, day, outcome }) => {
    if (dataset === cursorDataset || (outcome !== 'ok' && outcome !== 'no_data')) return [];
    const ids = idsOf(seed, { account: accountOf(connection), dataset, day });
    if (outcome === 'no_data') return ids;
    return ids.length === 0
      ? [`${connection}/${dataset}/${day} has nothing`]
      : ids.filter((id) => !there.has(id));
  });
  const behind = seen.cursors.flatMap(({ connection, cursor }) =>
    Array.from({ length: Number(cursor) }, (_, index) => momentId(accountOf(connection), index + 1)).filter(
      (id) => !there.has(id),
    ),
  );
  return [
    ...problem('I3', 'records the ledger has as done have no row', missing),
    ...problem('I3', 'records before a cursor have no row', behind),
  ];
};

/** I10: nothing secret is written anywhere but sealed. */
const noSecret: Check = ({ secrets, logs, seen }) => {
  const places = [...logs, seen.texts];
  const found = secrets.filter((secret) => places.some((text) => text.includes(secret)));
  return problem(
    'I10',
    'secrets stand in logs or tables',
    found.map((secret) => secret.replace(/\d/g, '…')),
  );
};

/** Names of the checks that hold at every moment, also of a database whose hosts have just died. */
export const alwaysChecks: Readonly<Record<string, Check>> = {
  nothingTwice,
  nothingChanged,
  nothingToldIsLost,
  neverAhead,
  noSecret,
};

/** I1: everything the source has is there. */
const nothingLost: GoalCheck = ({ seen }, { wanted, records }) => {
  const there = new Set(seen.rows.map(versionOf));
  const done = new Set(
    seen.slices.flatMap(({ connection, dataset, day, outcome }) =>
      outcome === 'ok' || outcome === 'no_data' ? [`${connection}/${dataset}/${day}`] : [],
    ),
  );
  const slices = wanted.map(({ connection, dataset, day }) => `${connection}/${dataset}/${day}`);
  return [
    ...problem(
      'I1',
      'records are lost',
      records.map(versionOf).filter((name) => !there.has(name)),
    ),
    ...problem(
      'I1',
      'slices have no answer',
      slices.filter((id) => !done.has(id)),
    ),
  ];
};

// Two clocks read one after the other.
const atOnceMs = 5;

function byConnection(runs: readonly SeenRun[]): SeenRun[][] {
  return [...Map.groupBy(runs, ({ connection }) => connection).values()];
}

interface Interval {
  readonly connection: string;
  readonly from: number;
  readonly to: number;
}

/**
 * Runs as hosts told of them, by the machine's clock; a killed host's end with it, and one that the database gave up
 * under ends with the host's next at the latest. What a frozen host tells is left out.
 */
function intervalsOf(history: readonly Operation[]): Interval[] {
  const frozen = new Set(history.filter(({ op }) => op === 'freeze').map(({ id }) => id));
  const told = history.filter(({ op, proc }) => op === 'run' && !frozen.has(proc));
  return told.flatMap(({ type, proc, id, t, detail }) => {
    if (type !== 'invoke') return [];
    const isEnd = (one: Operation): boolean =>
      one.type !== 'invoke' && one.detail?.['runId'] === detail?.['runId'];
    const killed = history.find(({ op, proc: by, id: whom }) =>
      op === 'kill' ? whom === proc : op === 'point' && by === proc,
    );
    const next = told.find((one) => one.type === 'invoke' && one.proc === proc && one.id === id && one.t > t);
    const to = told.find(isEnd)?.t ?? killed?.t ?? next?.t ?? Infinity;
    return [{ connection: id, from: t, to }];
  });
}

function overlapsOf(history: readonly Operation[]): string[] {
  const all = [...Map.groupBy(intervalsOf(history), ({ connection }) => connection).values()];
  return all.flatMap((intervals) => {
    const inOrder = intervals.toSorted((a, b) => a.from - b.from);
    return inOrder.slice(1).flatMap(({ connection, from }, index) => {
      const { to } = inOrder[index] ?? { to: 0 };
      return from < to - atOnceMs ? [`${connection} at ${from} ms`] : [];
    });
  });
}

/** I5: runs of a connection follow each other, epochs go up, and nothing is recorded for a run that is over. */
const oneOwner: GoalCheck = ({ seen, history }, { skewed = false }) => {
  const told = problem('I5', 'runs were told of beside another', overlapsOf(history));
  if (skewed) return told;
  const overlapping = byConnection(seen.runs).flatMap((runs) =>
    runs.slice(1).flatMap((run, index) => {
      const before = runs[index];
      const ended = before?.finishedAt ?? 0;
      return run.startedAt < ended - atOnceMs || (run.epoch ?? 0) < (before?.epoch ?? 0) ? [run.runId] : [];
    }),
  );
  const ends = new Map(seen.runs.map(({ runId, finishedAt }) => [runId, finishedAt]));
  const late = seen.slices.filter(({ runId, lastAttemptAt }) => {
    const end = ends.get(runId);
    return end !== undefined && end !== null && lastAttemptAt > end + atOnceMs;
  });
  return [
    ...told,
    ...problem('I5', 'runs overlap the one before', overlapping),
    ...problem(
      'I5',
      'slices were recorded after their run had ended',
      late.map(({ runId, day }) => `${runId} ${day}`),
    ),
  ];
};

/** I6: a run that is told as gone through went through, and none is told as under way that nobody has. */
const truth: GoalCheck = ({ seen, history }) => {
  const known = new Map(seen.runs.map((run) => [run.runId, run]));
  const told = history.filter(({ op, type }) => op === 'run' && type === 'ok');
  const untrue = told.flatMap(({ detail }) => {
    const run = known.get(String(detail?.['runId']));
    // Told and ended before it was written: interrupted, and gone through again by the next.
    return run?.status === 'succeeded' || run?.errorCode === 'host_ended' ? [] : [String(detail?.['runId'])];
  });
  const green = seen.runs.filter(
    ({ status, datasets }) =>
      status === 'succeeded' &&
      Object.values(datasets).some(({ failed = 0, conflicts = 0 }) => failed + conflicts > 0),
  );
  const orphans = seen.runs.filter(
    ({ status, connection }) => status === 'running' && !seen.held.includes(connection),
  );
  return [
    ...problem('I6', 'runs told as succeeded are not', untrue),
    ...problem(
      'I6',
      'runs are succeeded with failures',
      green.map(({ runId }) => runId),
    ),
    ...problem(
      'I6',
      'runs are under way and nobody has them',
      orphans.map(({ runId }) => runId),
    ),
  ];
};

const parts = ['written', 'unchanged', 'conflicts', 'setAside', 'givenUp'];

/** I7: what was read is what was written, unchanged, a conflict, set aside or given up; no row came from nowhere. */
const accounting: GoalCheck = ({ seen }) => {
  const counted = seen.runs.flatMap(({ runId, datasets }) =>
    Object.entries(datasets).map(([dataset, counts]) => ({ name: `${runId} ${dataset}`, counts })),
  );
  const wrong = counted.filter(
    ({ counts }) =>
      counts['read'] !== undefined &&
      counts['read'] !== parts.reduce((sum, part) => sum + (counts[part] ?? 0), 0),
  );
  const written = counted.reduce((sum, { counts }) => sum + (counts['written'] ?? 0), 0);
  const cutOff = seen.runs.some(({ status }) => status !== 'succeeded');
  const rows = seen.rows.length;
  return [
    ...problem(
      'I7',
      'accounts do not add up',
      wrong.map(({ name }) => name),
    ),
    ...(written > rows || (!cutOff && written !== rows)
      ? [{ invariant: 'I7', message: `runs say that they wrote ${written} rows, there are ${rows}` }]
      : []),
  ];
};

/** I8: what a host uses after a fault is what it used before. */
const bounded: GoalCheck = ({ history }) => {
  const usages = history.filter(({ op }) => op === 'usage');
  const over = [...Map.groupBy(usages, ({ proc }) => proc).entries()].flatMap(([proc, samples]) => {
    const before = samples.at(0)?.detail ?? {};
    const after = samples.at(-1)?.detail ?? {};
    return Object.entries(slack).flatMap(([what, more]) => {
      const [was, is] = [Number(before[what] ?? 0), Number(after[what] ?? 0)];
      return is > was * 1.1 + more ? [`${proc} ${what} ${was} → ${is}`] : [];
    });
  });
  return problem('I8', 'hosts use more than before', over);
};

// A pool of connections breathes, and a heap grows before it is collected.
const slack = { files: 12, timers: 12, rss: 96 * 2 ** 20 };

/**
 * How long it took from the end of each fault to the next slice that was done. One that is followed by another before
 * there was any is over only when that one is.
 */
export function recoveries(
  history: readonly Operation[],
): { readonly fault: Operation; readonly afterMs: number }[] {
  const ends = history.filter(
    ({ op }) => op === 'kill' || op === 'point' || op === 'calm' || op === 'freeze',
  );
  const lasts = new Map<number, Operation>();
  for (const fault of ends) {
    const progress = history.find(({ t, op, type }) => t > fault.t && op === 'slice' && type === 'ok');
    // Told of nothing since: it lasts for as long as anything is known.
    lasts.set(progress?.t ?? Infinity, fault);
  }
  return [...lasts].map(([at, fault]) => ({ fault, afterMs: at - fault.t }));
}

/** I9: after each fault there is progress again, soon. */
const recovered: GoalCheck = ({ history }, { recoverWithinMs = 60_000 }) => {
  const slow = recoveries(history).filter(({ afterMs }) => afterMs > recoverWithinMs);
  return problem(
    'I9',
    'faults took long to recover from',
    slow.map(({ fault, afterMs }) => `${fault.op} ${fault.id} ${afterMs} ms`),
  );
};

/** A suite that did hardly anything proves hardly anything. */
const enough: GoalCheck = ({ history }, { atLeast }) => {
  const done = history.filter(
    ({ op, type }) => type === 'ok' && (op === 'read' || op === 'slice' || op === 'run'),
  ).length;
  return done < atLeast
    ? [
        {
          invariant: 'work',
          message: `expected at least ${atLeast} operations that went well, found ${done}`,
        },
      ]
    : [];
};

/** Names of the checks of what has come to rest. */
export const settledChecks: Readonly<Record<string, GoalCheck>> = {
  nothingLost,
  oneOwner,
  truth,
  accounting,
  bounded,
  recovered,
  enough,
};

/** What is wrong at any moment at all. */
export function checkNow(evidence: Evidence): Problem[] {
  return Object.values(alwaysChecks).flatMap((check) => check(evidence));
}

/** What is wrong once everything is calm and done. */
export function checkSettled(evidence: Evidence, goal: Goal): Problem[] {
  return [...checkNow(evidence), ...Object.values(settledChecks).flatMap((check) => check(evidence, goal))];
}
