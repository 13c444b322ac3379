import type { DatasetInfo } from '../../connector.ts';
import { addDays, type Window } from '../../windows.ts';
import { connectorCheck, expectThat, type Check } from '../check.ts';
import { describeError } from './login.ts';
import { connectorOpened, type OpenedConnector } from '../open-connector.ts';
import { canonical, readAll, singleDays, todayOf, type AnyRecord } from '../records.ts';
import type { ConnectorSubject } from '../subject.ts';
import { withSource, type SourceContext } from '../with-source.ts';

/** Logs in, and out again after `use`. */
export function withOpened<Result>(
  subject: ConnectorSubject,
  use: (opened: OpenedConnector, context: SourceContext) => Promise<Result>,
): Promise<Result> {
  return withSource(subject, async (context) => {
    const opened = await connectorOpened(subject, context);
    try {
      return await use(opened, context);
    } finally {
      await opened.close();
    }
  });
}

/** The datasets that can be asked for as things are. */
export function askable({ datasets }: Pick<OpenedConnector, 'datasets'>): DatasetInfo[] {
  return datasets.filter(({ notSupported }) => notSupported === undefined);
}

async function checkRead(
  opened: OpenedConnector,
  dataset: DatasetInfo,
  subject: ConnectorSubject,
): Promise<void> {
  try {
    await readAll(opened, dataset, subject);
  } catch (error) {
    expectThat(false, () => `Expected ${dataset.name} to be read, got ${describeError(error)}`);
  }
}

// A year of days one by one takes long; what is cut off is cut off at an end.
const daysAtEnds = 14;

/** The days of a window, of a long one those at its ends. */
function sampleOf(window: Window): Window[] {
  const days = singleDays(window);
  if (days.length <= 2 * daysAtEnds) return days;
  return [...days.slice(0, daysAtEnds), ...days.slice(-daysAtEnds)];
}

function daysIn(records: readonly AnyRecord[]): string {
  return [...new Set(records.map(({ day }) => day ?? ''))].toSorted().join(' ');
}

async function checkRange(
  opened: OpenedConnector,
  { name, spanDays }: DatasetInfo,
  subject: ConnectorSubject,
): Promise<void> {
  const { from } = subject.window;
  const window = { from, to: addDays(from, spanDays) };
  const whole = await opened.read({ dataset: name, window });
  const days = sampleOf(window);
  const single: AnyRecord[] = [];
  for (const day of days) single.push(...(await opened.read({ dataset: name, window: day })));
  const found = daysIn(whole.filter(({ day }) => days.some(({ from: one }) => one === day)));
  expectThat(
    found === daysIn(single),
    () =>
      `Expected ${name} to answer for all of its ${spanDays} days at once: ${daysIn(single)}; got ${found}`,
  );
}

async function checkSnapshot(
  opened: OpenedConnector,
  { name }: DatasetInfo,
  subject: ConnectorSubject,
): Promise<void> {
  const today = todayOf(subject);
  for (const { day } of await opened.read({ dataset: name, window: today }))
    expectThat(
      day === today.from,
      () => `Expected the snapshot ${name} to be of today, ${today.from}, got ${day}`,
    );
}

function checkNumbers({ name, granularity, spanDays, settleDays }: DatasetInfo): void {
  const span = granularity === 'range' ? spanDays >= 1 && spanDays <= 366 : spanDays === 1;
  expectThat(
    span && Number.isInteger(spanDays),
    () => `Expected ${name} to have a span of 1 to 366 days (1 unless range), got ${spanDays}`,
  );
  const settles = Number.isInteger(settleDays) && settleDays >= 0 && settleDays <= 366;
  expectThat(settles, () => `Expected ${name} to settle within 0 to 366 days, got ${settleDays}`);
}

/** 12 to 14: which datasets there are, and what is said of them. */
export const datasetChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 12,
      topic: 'Datasets',
      title: 'datasets have unique names, the same at every call',
      why: 'A name is part of every key: another name is the same data again.',
    },
    (subject) =>
      withOpened(subject, async ({ datasets, session }) => {
        const names = datasets.map(({ name }) => name);
        expectThat(
          new Set(names).size === names.length,
          () => `Expected unique names, got ${names.join(', ')}`,
        );
        const again = await subject.plugin.listDatasets(session);
        expectThat(
          canonical(again) === canonical(datasets),
          () =>
            `Expected the same datasets at every call, got ${canonical(datasets)} and ${canonical(again)}`,
        );
      }),
  ),
  connectorCheck(
    {
      id: 13,
      topic: 'Datasets',
      title: 'every dataset can be read',
      why: 'What is listed and cannot be read fails every run.',
    },
    (subject) =>
      withOpened(subject, async (opened) => {
        for (const dataset of askable(opened)) await checkRead(opened, dataset, subject);
      }),
  ),
  connectorCheck(
    {
      id: 14,
      topic: 'Datasets',
      title: 'granularity and spans are true',
      why: 'The host asks for as many days at once as it is told it may.',
    },
    (subject) =>
      withOpened(subject, async (opened) => {
        for (const dataset of askable(opened)) {
          checkNumbers(dataset);
          if (dataset.granularity === 'range') await checkRange(opened, dataset, subject);
          if (dataset.granularity === 'snapshot') await checkSnapshot(opened, dataset, subject);
        }
      }),
  ),
];
