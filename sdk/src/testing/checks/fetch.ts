import type { ConnectorRecord, CursorRecord, DatasetInfo } from '../../connector.ts';
import { ConnectorError } from '../../errors.ts';
import { parseInstant } from '../../instant.ts';
import { addDays, dayAt, inWindow, isDay, splitWindow, type Day, type Window } from '../../windows.ts';
import { connectorCheck, expectThat, Skip, type Check } from '../check.ts';
import { askable, withOpened } from './datasets.ts';
import { checkRepeated, checkZonesOfMachines } from './elsewhere.ts';
import { describeError } from './login.ts';
import { oddDays, oddDaysOfYear } from './odd-days.ts';
import { connectorOpened, type OpenedConnector } from '../open-connector.ts';
import {
  firstDifference,
  identityOf,
  isOfDays,
  readAll,
  readKept,
  readSince,
  recordsIn,
  singleDays,
  todayOf,
  type AnyRecord,
} from '../records.ts';
import type { ConnectorSubject } from '../subject.ts';
import { withSource } from '../with-source.ts';
import { isCheckpoint } from '../../checkpoint.ts';

type Use = (opened: OpenedConnector, dataset: DatasetInfo) => Promise<void>;

/** For promises about days. */
function needsDays(opened: OpenedConnector): DatasetInfo[] {
  const found = askable(opened).filter(isOfDays);
  if (found.length === 0) throw new Skip('the plugin has no dataset of days', true);
  return found;
}

/** Calls `use` for each dataset of days. */
function eachOfDays(subject: ConnectorSubject, use: Use): Promise<void> {
  return withOpened(subject, async (opened) => {
    for (const dataset of needsDays(opened)) await use(opened, dataset);
  });
}

/** Calls `use` for each dataset that can be asked for. */
function eachDataset(subject: ConnectorSubject, use: Use): Promise<void> {
  return withOpened(subject, async (opened) => {
    for (const dataset of askable(opened)) await use(opened, dataset);
  });
}

function checkShape(record: AnyRecord, { name, granularity }: DatasetInfo): void {
  const { key, day, occurredAt } = record as Partial<CursorRecord>;
  const isCursor = granularity === 'cursor';
  expectThat(
    isCursor ? typeof key === 'string' && key !== '' : isDay(day),
    () =>
      `Expected a record of ${name} to have ${isCursor ? 'a key' : 'a day'}, got ${String(isCursor ? key : day)}`,
  );
  expectThat(record.data !== undefined, () => `Expected a record of ${name} to have data, got none`);
  if (occurredAt !== undefined)
    expectThat(
      parseInstant(occurredAt) !== undefined,
      () => `Expected occurredAt of ${name} to be RFC 3339 with an offset, got ${occurredAt}`,
    );
}

function checkUnique(records: readonly AnyRecord[], { name }: DatasetInfo): void {
  const seen = new Set<string>();
  for (const identity of records.map(identityOf)) {
    expectThat(
      !seen.has(identity),
      () => `Expected each record of ${name} once in a window, got twice ${identity.slice(0, 160)}`,
    );
    seen.add(identity);
  }
}

/** All windows of the subject, dataset by dataset, with what was answered. */
async function eachWindow(
  opened: OpenedConnector,
  { name, spanDays }: DatasetInfo,
  window: Window,
  use: (records: readonly AnyRecord[], asked: Window) => void,
): Promise<void> {
  for (const asked of splitWindow(window, spanDays))
    use(await opened.read({ dataset: name, window: asked }), asked);
}

function expectInside(records: readonly AnyRecord[], asked: Window, { name }: DatasetInfo): void {
  for (const { day } of records as ConnectorRecord[])
    expectThat(
      isDay(day) && inWindow(asked, day),
      () =>
        `Expected records of ${name} between ${asked.from} and before ${asked.to}, got one of ${String(day)}`,
    );
}

/** The day a record of a cursor dataset is of. */
function dayOf({ day, occurredAt }: CursorRecord, timeZone: string): Day | undefined {
  const instant = parseInstant(occurredAt);
  return day ?? (instant && dayAt(instant.ms, timeZone));
}

/** What is read from the last cursor on must not lie further back than the overlap. */
async function expectOverlap(
  opened: OpenedConnector,
  { name }: DatasetInfo,
  subject: ConnectorSubject,
): Promise<void> {
  const { overlapDays = 0, timeZone = 'Asia/Shanghai' } = subject;
  const said = await readSince(opened, name);
  const last = said.findLast(isCheckpoint);
  const newest = daysOfRecords(recordsIn(said) as CursorRecord[], timeZone).at(-1);
  if (!last || newest === undefined) return;
  const oldest = addDays(newest, -overlapDays);
  const again = recordsIn(await readSince(opened, name, last.cursor)) as CursorRecord[];
  for (const day of daysOfRecords(again, timeZone))
    expectThat(
      day >= oldest,
      () => `Expected ${name} to read at most ${overlapDays} days behind its cursor (${oldest}), got ${day}`,
    );
}

function daysOfRecords(records: readonly CursorRecord[], timeZone: string): Day[] {
  return records.flatMap((record) => dayOf(record, timeZone) ?? []).toSorted();
}

/** A range is asked whole and in two pieces at every day; a day beside its neighbours and by itself. */
async function expectSplits(
  opened: OpenedConnector,
  dataset: DatasetInfo,
  subject: ConnectorSubject,
): Promise<void> {
  const { name, spanDays } = dataset;
  const read = (window: Window): Promise<AnyRecord[]> => opened.read({ dataset: name, window });
  for (const window of splitWindow(subject.window, spanDays)) {
    const whole = await read(window);
    for (const { from: cut } of singleDays(window).slice(1)) {
      const parts = [
        ...(await read({ from: cut, to: window.to })),
        ...(await read({ from: window.from, to: cut })),
      ];
      const difference = firstDifference(whole, parts);
      expectThat(
        difference === undefined,
        () =>
          `Expected ${name} to say the same of ${window.from} to ${window.to} whole and in two at ${cut}, got ${difference}`,
      );
    }
  }
}

/** A window without days, and days that have not come yet. */
async function expectNothing(
  opened: OpenedConnector,
  { name }: DatasetInfo,
  subject: ConnectorSubject,
): Promise<void> {
  const { from } = subject.window;
  // Two days behind the first place's today it is not yet today anywhere; nor at the end of a check that lasts past midnight.
  const soon = addDays(dayAt(Date.now(), 'Pacific/Kiritimati'), 2);
  const future = addDays(todayOf(subject).from, 400);
  for (const window of [
    { from, to: from },
    { from: soon, to: addDays(soon, 1) },
    { from: future, to: addDays(future, 1) },
  ]) {
    const records = await opened
      .read({ dataset: name, window })
      .catch((error: unknown) => describeError(error));
    const found = typeof records === 'string' ? records : `${records.length} records`;
    expectThat(
      records.length === 0,
      () => `Expected nothing of ${name} for ${window.from} up to ${window.to}, got ${found}`,
    );
  }
}

async function expectOutOfRange(
  opened: OpenedConnector,
  { name, spanDays }: DatasetInfo,
  window: Window,
): Promise<void> {
  const [asked = window] = splitWindow(window, spanDays);
  const said = await opened.read({ dataset: name, window: asked }).then(
    (records) => `${records.length} records`,
    (error: unknown) =>
      ConnectorError.is(error) && error.code === 'out_of_range' ? undefined : describeError(error),
  );
  expectThat(
    said === undefined,
    () => `Expected out_of_range of ${name} for ${asked.from}, older than the source keeps, got ${said}`,
  );
}

// Of a source with many datasets each is asked for some of the days, one dataset going on where the last one stopped.
const oddDaysInAll = 120;
const oddDaysLeast = 5;

/** Days around each odd one: none is answered by its neighbour, and all together say what each says by itself. */
async function expectWholeDays(opened: OpenedConnector, dataset: DatasetInfo, day: Day): Promise<void> {
  const window = { from: addDays(day, -1), to: addDays(day, 2) };
  const single: AnyRecord[] = [];
  for (const asked of singleDays(window)) {
    const records = await readKept(opened, dataset, asked);
    if (records === undefined) return;
    expectInside(records, asked, dataset);
    checkUnique(records, dataset);
    single.push(...records);
  }
  if (dataset.spanDays < 3) return;
  const whole = await opened.read({ dataset: dataset.name, window });
  const difference = firstDifference(whole, single);
  expectThat(
    difference === undefined,
    () =>
      `Expected ${dataset.name} to say the same of the days around ${day} together and one by one, got ${difference}`,
  );
}

/** The datasets into whose source the subject can put records. */
function namesToPutInto(subject: ConnectorSubject): Promise<string[]> {
  return withOpened(subject, async (opened, { source }) => {
    const names = Object.keys(source.put ?? {});
    const ofDays = askable(opened).flatMap((dataset) => (isOfDays(dataset) ? dataset.name : []));
    for (const name of names)
      expectThat(
        ofDays.includes(name),
        () => `Expected records to be put into a dataset of days (${ofDays.join(', ')}), got ${name}`,
      );
    return names;
  });
}

const putEveryMs = 30 * 60_000;

/** How many records there are on a day and on two days before and after it, with these put into the source. */
function countAround(
  subject: ConnectorSubject,
  { name, day, instants }: { readonly name: string; readonly day: Day; readonly instants: readonly string[] },
): Promise<number> {
  return withSource(subject, async (context) => {
    await context.source.put?.[name]?.(instants);
    const opened = await connectorOpened(subject, context);
    try {
      const dataset = askable(opened).find((one) => one.name === name) as DatasetInfo;
      let count = 0;
      for (const window of singleDays({ from: addDays(day, -2), to: addDays(day, 3) }))
        count += (await readKept(opened, dataset, window))?.length ?? 0;
      return count;
    } finally {
      await opened.close();
    }
  });
}

/** What is put into the source every half hour around a clock change comes out on one day each, whatever the zone is. */
async function expectEachInstant(subject: ConnectorSubject, name: string): Promise<void> {
  const { to } = subject.window;
  for (const day of oddDays({ from: addDays(to, -365), to: addDays(to, -3) })) {
    const from = Date.parse(`${addDays(day, -1)}T00:00:00Z`);
    const end = Date.parse(`${addDays(day, 2)}T00:00:00Z`);
    const instants = Array.from({ length: (end - from) / putEveryMs }, (_, index) =>
      new Date(from + index * putEveryMs).toISOString(),
    );
    const before = await countAround(subject, { name, day, instants: [] });
    const found = (await countAround(subject, { name, day, instants })) - before;
    expectThat(
      found === instants.length,
      () =>
        `Expected each of ${instants.length} records of ${name} around ${day}, one every half hour, on one day, got ${found} in all: begin a day at startOfDay(day, zone) and end it at the next day's`,
    );
  }
}

/** 15 to 22: what a fetch answers. */
export const fetchChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 15,
      topic: 'Fetch',
      title: 'every dataset has a record, or is said to be empty',
      why: 'A dataset that never says anything looks like one that works.',
    },
    (subject) =>
      eachDataset(subject, async (opened, dataset) => {
        if (subject.empty?.[dataset.name] !== undefined) return;
        const records = await readAll(opened, dataset, subject);
        expectThat(records.length > 0, () => `Expected a record of ${dataset.name} in the window, got none`);
      }),
  ),
  connectorCheck(
    {
      id: 16,
      topic: 'Fetch',
      title: 'records are well-formed, and each comes once in a window',
      why: 'A record without a key cannot be stored; one that comes twice is counted twice.',
    },
    (subject) =>
      eachDataset(subject, async (opened, dataset) => {
        const records = await readAll(opened, dataset, subject);
        for (const record of records) checkShape(record, dataset);
        checkUnique(records, dataset);
      }),
  ),
  connectorCheck(
    {
      id: 17,
      topic: 'Fetch',
      title: 'every record lies in the window, or within the declared overlap behind the cursor',
      why: 'The ledger says which days are answered for: a record of another day belies it.',
    },
    (subject) =>
      eachDataset(subject, async (opened, dataset) => {
        if (dataset.granularity === 'cursor') return expectOverlap(opened, dataset, subject);
        const window = dataset.granularity === 'snapshot' ? todayOf(subject) : subject.window;
        await eachWindow(opened, dataset, window, (records, asked) => expectInside(records, asked, dataset));
      }),
  ),
  connectorCheck(
    {
      id: 18,
      topic: 'Fetch',
      title: 'a window asked in pieces gives the records of the whole',
      why: 'The host cuts windows as it needs, and must not get other data for it.',
    },
    (subject) =>
      eachOfDays(subject, async (opened, dataset) => {
        if (dataset.granularity === 'range') return expectSplits(opened, dataset, subject);
        const forth = await readAll(opened, dataset, subject);
        const back: AnyRecord[] = [];
        for (const window of singleDays(subject.window).toReversed())
          back.push(...(await opened.read({ dataset: dataset.name, window })));
        const difference = firstDifference(forth, back);
        expectThat(
          difference === undefined,
          () =>
            `Expected ${dataset.name} to say the same of each day in whatever order they are asked, got ${difference}`,
        );
      }),
  ),
  connectorCheck(
    {
      id: 19,
      topic: 'Fetch',
      title: 'closed days asked twice give the same records',
      why: 'Otherwise every run stores the same facts again.',
    },
    checkRepeated,
  ),
  connectorCheck(
    {
      id: 20,
      topic: 'Fetch',
      title: 'an empty window and a future one give no records and no error',
      why: 'Days to come must not be answered for before they are there.',
    },
    (subject) => eachOfDays(subject, (opened, dataset) => expectNothing(opened, dataset, subject)),
  ),
  connectorCheck(
    {
      id: 21,
      topic: 'Fetch',
      title: 'days older than the source keeps are out_of_range, not silence',
      why: 'Silence would be recorded as "there was nothing".',
    },
    async (subject) => {
      const { outOfRange } = subject;
      if (!outOfRange) throw new Skip('the subject names no days that are older than the source keeps');
      await eachDataset(subject, async (opened, dataset) => {
        if (isOfDays(dataset)) await expectOutOfRange(opened, dataset, outOfRange);
      });
    },
  ),
  connectorCheck(
    {
      id: 22,
      topic: 'Fetch',
      title: 'days at clock changes and zone edges neither overlap nor leave a gap, wherever the host is',
      why: 'A day has 23, 24 or 25 hours, and a host its own zone: data is lost or doubled by those who add 24 or read its clock.',
    },
    async (subject) => {
      const days = oddDaysOfYear(subject.window);
      await checkZonesOfMachines(subject);
      await withOpened(subject, async (opened) => {
        const datasets = askable(opened).filter(isOfDays);
        const each = Math.min(days.length, Math.max(oddDaysLeast, Math.ceil(oddDaysInAll / datasets.length)));
        for (const [index, dataset] of datasets.entries()) {
          for (let count = 0; count < each; count += 1)
            await expectWholeDays(opened, dataset, days[(index * each + count) % days.length] as Day);
        }
      });
      for (const name of await namesToPutInto(subject)) await expectEachInstant(subject, name);
    },
  ),
];
