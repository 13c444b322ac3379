import { addDays, dayAt, type DatasetInfo, type Day } from '@on-the-way/sdk';
import { absenceOf, isAnswer, isCovered, okDaysOf, rowOf, type Absence } from './absence.ts';
import type { Frontier, LedgerEntry } from './ports.ts';
import { isFinal, isOfNow, type PlanInput } from './wanted-days.ts';

/** What frontiers are worked out from, before anything is read. */
export type FrontierInput = Omit<PlanInput, 'entries'>;

// Marks speak of the newest four weeks, and of datasets that are watched alone.
const markedDays = 28;

function basisOf(input: FrontierInput, { granularity, settleDays }: DatasetInfo): string {
  return JSON.stringify([input.timeZone, input.signedInAt ?? null, granularity, settleDays]);
}

/** The first day that a frontier of the dataset never reaches. */
function limitOf({ now, timeZone, windowDays }: FrontierInput, { settleDays, watched }: DatasetInfo): Day {
  const marked = watched === true ? markedDays : 1;
  return addDays(dayAt(now, timeZone), 1 - Math.max(marked, windowDays, settleDays));
}

/** A person's wish, and days that are asked for again, are planned from all there is. */
function needsAll({ only, onlyDatasets, backfills = [] }: FrontierInput): boolean {
  return (
    only !== undefined || onlyDatasets !== undefined || backfills.some(({ since }) => since !== undefined)
  );
}

/** The first day whose outcomes a plan is made from; older ones are read of what failed alone. */
export function firstDayRead({ backfillFrom, backfills = [], now, timeZone }: FrontierInput): Day {
  const days = [backfillFrom, dayAt(now, timeZone), ...backfills.map(({ window }) => window.from)];
  return days.toSorted()[0] ?? backfillFrom;
}

/** Whether it hides days that were recorded without asking, since the dataset is absent, and that a backfill asks for. */
function hidesWanted({ backfills = [] }: FrontierInput, { name }: DatasetInfo, frontier: Frontier): boolean {
  const { absentFrom, to } = frontier;
  if (absentFrom === undefined) return false;
  return backfills.some(
    ({ window, datasets }) =>
      datasets?.includes(name) !== false && window.from < to && window.to > absentFrom,
  );
}

/** The frontiers that a plan may be made with, out of those remembered. */
export function frontiersInUse(input: FrontierInput, remembered: readonly Frontier[]): Frontier[] {
  if (needsAll(input)) return [];
  const datasets = new Map(input.datasets.map((dataset) => [dataset.name, dataset]));
  const first = firstDayRead(input);
  return remembered.filter((frontier) => {
    const dataset = datasets.get(frontier.dataset);
    if (!dataset || hidesWanted(input, dataset, frontier)) return false;
    // A backfill has looked further back than this plan does: of an absence it knows more.
    if (frontier.row.some(({ since }) => since < first)) return false;
    return frontier.basis === basisOf(input, dataset) && frontier.to <= limitOf(input, dataset);
  });
}

interface Seen {
  readonly info: DatasetInfo;
  readonly entries: ReadonlyMap<Day, LedgerEntry>;
  readonly frontier: Frontier | undefined;
  readonly absence: Absence | undefined;
  /** The newest day that was asked for; missing where that does not matter. */
  readonly newest: Day | undefined;
  readonly isSilent: boolean;
}

// What is read is looked at before it is planned from, and after.
const seenBefore = new WeakMap<PlanInput, Seen[]>();

function seenOf(input: PlanInput, okDays: ReadonlySet<Day>): Seen[] {
  const before = seenBefore.get(input);
  if (before) return before;
  const known = Map.groupBy(input.entries, ({ dataset }) => dataset);
  const frontiers = new Map(input.frontiers?.map((frontier) => [frontier.dataset, frontier]));
  const { signedInAt } = input;
  const seen = input.datasets.map((info) => {
    const own = known.get(info.name) ?? [];
    const frontier = frontiers.get(info.name);
    const context = { okDays, hidden: frontier, ...(signedInAt !== undefined && { signedInAt }) };
    const row = rowOf(own, context);
    return {
      info,
      entries: new Map(own.map((entry) => [entry.day, entry])),
      frontier,
      absence: absenceOf(info, row, context),
      newest: info.notSupported === undefined ? row.runs[0]?.newest : undefined,
      isSilent: row.silent !== undefined,
    };
  });
  seenBefore.set(input, seen);
  return seen;
}

/**
 * The datasets whose frontiers cannot be believed after all, now that the rest was read: they hide days that an
 * absence answered for which is over, or days that tell whether a dataset is absent.
 */
export function datasetsToReread(input: PlanInput): readonly string[] {
  const okDays = okDaysOf(input.datasets, input.entries);
  const seen = seenOf(input, okDays);
  const unsure = seen
    .filter(
      ({ info, newest, isSilent }) => info.watched === true && newest && isSilent && !okDays.has(newest),
    )
    .map(({ newest }) => newest!);
  return seen.flatMap(({ info, frontier, absence }) => {
    if (!frontier) return [];
    const { to, absentFrom } = frontier;
    const isOver = absentFrom !== undefined && !isCovered(absence, absentFrom);
    return isOver || unsure.some((day) => day < to) ? [info.name] : [];
  });
}

/** Whether a day needs no more planning, however often plans are made; undefined where nothing is known of it. */
function isDone(input: PlanInput, { info, entries, frontier, absence }: Seen, day: Day): boolean {
  if (isOfNow(info)) return true;
  if (frontier && frontier.from <= day && day < frontier.to) return true;
  const entry = entries.get(day);
  if (!entry) return false;
  if (entry.outcome === 'failed') return true;
  return isAnswer(entry, input.signedInAt)
    ? isFinal(entry, info.settleDays, input.timeZone)
    : isCovered(absence, day);
}

interface Range {
  readonly from: Day;
  readonly to: Day;
}

/** The days in a row that are done: the ones known so far and what adjoins them, else the newest ones. */
function rangeOf(input: PlanInput, seen: Seen, { from: floor, to: horizon }: Range): Range | undefined {
  let { from, to } = seen.frontier ?? { from: horizon, to: horizon };
  if (!seen.frontier) {
    while (to > floor && !isDone(input, seen, addDays(to, -1))) to = addDays(to, -1);
    from = to;
  }
  while (to < horizon && isDone(input, seen, to)) to = addDays(to, 1);
  while (from > floor && isDone(input, seen, addDays(from, -1))) from = addDays(from, -1);
  return from < to ? { from, to } : undefined;
}

function absentFromOf(
  input: PlanInput,
  { info, entries, frontier }: Seen,
  { from, to }: Range,
): Day | undefined {
  if (isOfNow(info)) return undefined;
  const days = [...entries.values()]
    .filter((entry) => from <= entry.day && entry.day < to && !isAnswer(entry, input.signedInAt))
    .map(({ day }) => day);
  return [...days, ...(frontier?.absentFrom === undefined ? [] : [frontier.absentFrom])].toSorted()[0];
}

function frontierOf(input: PlanInput, seen: Seen, bounds: Range): Frontier[] {
  const { info, entries, frontier } = seen;
  const range = rangeOf(input, seen, bounds);
  if (!range) return [];
  const absentFrom = absentFromOf(input, seen, range);
  const isSame =
    frontier?.from === range.from && frontier.to === range.to && frontier.absentFrom === absentFrom;
  if (isSame) return [];
  const inside = [...entries.values()].filter(({ day }) => range.from <= day && day < range.to);
  const { signedInAt } = input;
  const { runs } = rowOf(inside, { hidden: frontier, ...(signedInAt !== undefined && { signedInAt }) });
  return [
    {
      dataset: info.name,
      ...range,
      basis: basisOf(input, info),
      ...(absentFrom !== undefined && { absentFrom }),
      row: runs,
    },
  ];
}

/**
 * The frontiers that are other ones than before, for the plans to come. Which day a dataset was last asked for stays
 * among the days that are read.
 */
export function nextFrontiers(input: PlanInput): Frontier[] {
  if (input.only !== undefined || input.onlyDatasets !== undefined) return [];
  const seen = seenOf(input, okDaysOf(input.datasets, input.entries));
  const newest = seen.flatMap((dataset) => dataset.newest ?? []);
  const floors = [input.backfillFrom, ...(input.backfills ?? []).map(({ window }) => window.from)];
  const from = floors.toSorted()[0] ?? input.backfillFrom;
  return seen.flatMap((dataset) => {
    const to = [limitOf(input, dataset.info), ...newest].toSorted()[0] ?? from;
    return frontierOf(input, dataset, { from, to });
  });
}
