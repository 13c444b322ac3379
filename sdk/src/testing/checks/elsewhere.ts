import { Broken, expectThat, Skip } from '../check.ts';
import { onMachine, type Readable } from '../on-machine.ts';
import { firstDifference, isOfDays, readAll, readKept, type AnyRecord } from '../records.ts';
import type { ConnectorSubject } from '../subject.ts';
import { addDays } from '../../windows.ts';
import { askable, withOpened } from './datasets.ts';
import { describeError } from './login.ts';
import { oddDaysOfYear } from './odd-days.ts';

/** What was said, by what was asked. */
type Answers = ReadonlyMap<string, readonly AnyRecord[]>;

/** What every dataset says of the subject's days, apart from snapshots, which are of the moment. */
async function readClosed(opened: Readable, subject: ConnectorSubject): Promise<Map<string, AnyRecord[]>> {
  const found = new Map<string, AnyRecord[]>();
  for (const dataset of askable(opened))
    if (dataset.granularity !== 'snapshot') found.set(dataset.name, await readAll(opened, dataset, subject));
  return found;
}

function expectSame(before: Answers, now: Answers, when: string): void {
  for (const [asked, records] of before) {
    const difference = firstDifference(records, now.get(asked) ?? []);
    expectThat(
      difference === undefined,
      () => `Expected ${asked} to say the same ${when}, got ${difference}`,
    );
  }
}

// So far that the hour, the day and what is counted from them are others.
const later = { clockAheadMs: (3 * 24 + 5) * 3_600_000 + 7 * 60_000 };

/** Closed days are read twice in one process, and once in another whose clock is days ahead. */
export async function checkRepeated(subject: ConnectorSubject): Promise<void> {
  const read = (opened: Readable): Promise<Answers> => readClosed(opened, subject);
  const first = await withOpened(subject, read);
  expectSame(first, await withOpened(subject, read), 'twice');
  const ahead = await onMachine(subject, later, read).catch((cause: unknown) => {
    throw new Broken(
      `Expected the same days to be read in a process whose clock is three days ahead, got ${describeError(cause)}: give the session of the subject days to live, and let the double of the source take such a client`,
      { cause },
    );
  });
  expectSame(first, ahead, 'three days later, without what comes from the time of asking');
}

// Where a host may stand: west and east of Greenwich, with clock changes in both hemispheres.
const machineZones = ['UTC', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia'];

// What a machine's zone puts wrong shows on most days; of many datasets each is asked for some of the odd ones.
const oddDaysInAll = 24;

/** What every dataset says of the subject's days, and of some on which the clock of one of the machines changes. */
async function readOdd(opened: Readable, subject: ConnectorSubject): Promise<Answers> {
  const found = await readClosed(opened, subject);
  const days = oddDaysOfYear(subject.window, machineZones);
  const datasets = askable(opened).filter(isOfDays);
  const each = Math.min(days.length, Math.ceil(oddDaysInAll / datasets.length));
  for (const [index, dataset] of datasets.entries()) {
    const isWide = dataset.spanDays >= 3;
    for (let count = 0; count < each; count += 1) {
      const day = days[(index * each + count) % days.length] as string;
      const window = { from: addDays(day, isWide ? -1 : 0), to: addDays(day, isWide ? 2 : 1) };
      const records = await readKept(opened, dataset, window);
      if (records) found.set(`${dataset.name} of ${window.from} up to ${window.to}`, records);
    }
  }
  return found;
}

/** The same is answered in a process of any time zone as in this one. */
export async function checkZonesOfMachines(subject: ConnectorSubject): Promise<void> {
  const read = (opened: Readable): Promise<Answers> => readOdd(opened, subject);
  const { timeZone: own } = new Intl.DateTimeFormat().resolvedOptions();
  const here = await withOpened(subject, read);
  if (here.size === 0) throw new Skip('the plugin has no dataset of days and none with a cursor', true);
  const others = machineZones.filter((timeZone) => timeZone !== own);
  await Promise.all(
    others.map(async (timeZone) => {
      const there = await onMachine(subject, { timeZone }, read);
      expectSame(
        here,
        there,
        `on a machine in ${own} and on one in ${timeZone}, as a day is text and a Date’s getters are the machine’s`,
      );
    }),
  );
}
