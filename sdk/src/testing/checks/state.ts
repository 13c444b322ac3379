import type { DatasetInfo } from '../../connector.ts';
import { isCheckpoint } from '../../checkpoint.ts';
import { ConnectorError } from '../../errors.ts';
import type { JsonValue } from '../../json.ts';
import { connectorCheck, expectThat, Skip, type Check } from '../check.ts';
import { askable, withOpened } from './datasets.ts';
import { describeError } from './login.ts';
import type { OpenedConnector } from '../open-connector.ts';
import { saidBy, startPluginProcess, type PluginProcess } from '../plugin-process.ts';
import type { Window } from '../../windows.ts';
import {
  canonical,
  firstDifference,
  identityOf,
  isOfDays,
  readSince,
  recordsIn,
  windowsFor,
  type AnyRecord,
} from '../records.ts';
import type { ConnectorSubject } from '../subject.ts';
import type { TestServer } from '../server.ts';
import { withSource, type SourceContext } from '../with-source.ts';

function cursorDatasets(opened: Pick<OpenedConnector, 'datasets'>): DatasetInfo[] {
  const found = askable(opened).filter(({ granularity }) => granularity === 'cursor');
  if (found.length === 0) throw new Skip('the plugin has no cursor dataset', true);
  return found;
}

function withCursors(
  subject: ConnectorSubject,
  use: (opened: OpenedConnector, dataset: DatasetInfo, context: SourceContext) => Promise<void>,
): Promise<void> {
  return withOpened(subject, async (opened, context) => {
    for (const dataset of cursorDatasets(opened)) await use(opened, dataset, context);
  });
}

/** What two readings have in all, each thing once: what a sink would keep. */
function union(...readings: readonly (readonly AnyRecord[])[]): AnyRecord[] {
  return [...new Map(readings.flat().map((record) => [identityOf(record), record])).values()];
}

/** Where a reading is cut: behind so many records. */
interface Cut {
  readonly dataset: string;
  /** Of a dataset of days, which is asked for the same window again. */
  readonly window?: Window;
  readonly count: number;
  readonly whole: readonly AnyRecord[];
}

/** Reads up to so many records; resolves with them and with the last checkpoint before. */
async function readSome(
  plugin: PluginProcess,
  { dataset, window }: Cut,
  { cursor, count }: { readonly cursor?: JsonValue; readonly count: number },
): Promise<{ readonly records: AnyRecord[]; readonly cursor?: JsonValue }> {
  await plugin.call({
    verb: 'ask',
    dataset,
    ...(window && { window }),
    ...(cursor !== undefined && { cursor }),
  });
  const records: AnyRecord[] = [];
  let last = cursor;
  for await (const { record, checkpoint } of saidBy(plugin)) {
    if (record) records.push(record);
    if (checkpoint) last = checkpoint.cursor;
    if (records.length >= count) break;
  }
  return { records, ...(last !== undefined && { cursor: last }) };
}

/** Kills the process behind the cut, goes on in another one, and gives that to the next cut. */
async function killAt(
  cut: Cut,
  plugin: PluginProcess,
  again: () => Promise<PluginProcess>,
): Promise<PluginProcess> {
  const { dataset, count, whole } = cut;
  const first = await readSome(plugin, cut, { count });
  await plugin.kill();
  const next = await again();
  const from = first.cursor === undefined ? {} : { cursor: first.cursor };
  const rest = await readSome(next, cut, { ...from, count: Infinity });
  const difference = firstDifference(union(whole), union(first.records, rest.records));
  expectThat(
    difference === undefined,
    () =>
      `Expected ${dataset}, killed behind ${count} of ${whole.length} records and started again, to come to the same, got ${difference}`,
  );
  return next;
}

/** Behind the first record of each cursor dataset and in its middle; in the middle of a window of one dataset of days. */
async function cutsOf(subject: ConnectorSubject): Promise<Cut[]> {
  return withOpened(subject, async (opened) => {
    const datasets = askable(opened);
    const cuts: Cut[] = [];
    for (const { name } of datasets.filter(({ granularity }) => granularity === 'cursor')) {
      const whole = await opened.read({ dataset: name });
      for (const count of new Set([1, Math.ceil(whole.length / 2)]))
        cuts.push({ dataset: name, count, whole });
    }
    const ofDays = datasets.find(isOfDays);
    const [window] = ofDays ? windowsFor(ofDays, subject) : [];
    if (!ofDays || !window) return cuts;
    return [
      ...cuts,
      { dataset: ofDays.name, window, count: 1, whole: await opened.read({ dataset: ofDays.name, window }) },
    ];
  });
}

async function checkKilled(subject: ConnectorSubject): Promise<void> {
  const cuts = await cutsOf(subject);
  await withSource(subject, async ({ source: { config, tokens = {} } }) => {
    const open = async (): Promise<PluginProcess> => {
      const plugin = startPluginProcess();
      await plugin.call({ verb: 'open', module: subject.module, config, tokens });
      return plugin;
    };
    let plugin = await open();
    try {
      for (const cut of cuts) plugin = await killAt(cut, plugin, open);
    } finally {
      await plugin.kill();
    }
  });
}

async function expectAnswerOrRefusal(
  opened: OpenedConnector,
  dataset: string,
  {
    cursor,
    whole,
    isOld,
  }: { readonly cursor: JsonValue; readonly whole: readonly AnyRecord[]; readonly isOld: boolean },
): Promise<void> {
  const shown = canonical(cursor).slice(0, 80);
  try {
    const records = recordsIn(await readSince(opened, dataset, cursor));
    const missing = union(whole).length - union(records).length;
    // A cursor of an older version may stand anywhere, but not at the end; one that is nobody's stands at the start.
    expectThat(
      isOld ? records.length > 0 : missing <= 0,
      () =>
        `Expected ${dataset} to go on from the cursor ${shown} or to refuse it, got nothing, and ${missing} records are left out`,
    );
  } catch (error) {
    if (ConnectorError.is(error)) return;
    expectThat(
      false,
      () =>
        `Expected ${dataset} to refuse the cursor ${shown} with a ConnectorError, got ${describeError(error)}`,
    );
  }
}

const strangeCursors: readonly JsonValue[] = [
  { v: 999_999, at: 'nowhere' },
  'no cursor of this plugin',
  [],
  7.5,
];

/** The first of the requests under way is answered last, as a network may do. */
function answerLastFirst(server: TestServer): void {
  const { answer } = server;
  let count = 0;
  server.answer = async (request) => {
    const delayMs = [60, 30, 0][(count += 1) % 3] ?? 0;
    const reply = await answer(request);
    return reply && { ...reply, delayMs };
  };
}

/** Behind every checkpoint reading goes on with everything that did not come before it. */
async function expectNoHole(opened: OpenedConnector, { name }: DatasetInfo): Promise<void> {
  const said = await readSince(opened, name);
  const whole = union(recordsIn(said));
  for (const [index, one] of said.entries()) {
    if (!isCheckpoint(one)) continue;
    const before = recordsIn(said.slice(0, index));
    const after = recordsIn(await readSince(opened, name, one.cursor));
    const missing = whole.length - union(before, after).length;
    expectThat(
      missing <= 0,
      () =>
        `Expected everything of ${name} before the checkpoint ${canonical(one.cursor).slice(0, 80)} or behind it, but ${missing} records are in neither`,
    );
  }
}

/** 23 to 26: what is kept between two readings. */
export const stateChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 23,
      topic: 'State',
      title: 'killed after any page and started again, everything is there and nothing twice',
      why: 'Machines lose power in the middle of a page.',
    },
    checkKilled,
  ),
  connectorCheck(
    {
      id: 24,
      topic: 'State',
      title: 'cursors are JSON and come back as they were',
      why: 'A cursor is kept in a database between runs.',
    },
    (subject) =>
      withCursors(subject, async (opened, { name }) => {
        const said = await readSince(opened, name);
        const hasPlace = said.some(isCheckpoint) || recordsIn(said).length === 0;
        expectThat(
          hasPlace,
          () =>
            `Expected ${name} to yield a checkpoint, got records and none: every run reads all of it again`,
        );
        for (const { cursor } of said.filter(isCheckpoint)) {
          const back: unknown = JSON.parse(JSON.stringify(cursor) ?? 'null');
          const same = isPlain(cursor) && canonical(back) === canonical(cursor);
          expectThat(
            same,
            () =>
              `Expected a cursor of ${name} to be plain JSON, got ${Object.prototype.toString.call(cursor)}`,
          );
        }
      }),
  ),
  connectorCheck(
    {
      id: 25,
      topic: 'State',
      title:
        'a cursor of an older version, or none of this plugin’s, is taken or refused, never read as the end',
      why: 'An update that forgets its place stops reading, and nobody sees it.',
    },
    (subject) =>
      withCursors(subject, async (opened, { name }) => {
        const whole = recordsIn(await readSince(opened, name));
        for (const cursor of strangeCursors)
          await expectAnswerOrRefusal(opened, name, { cursor, whole, isOld: false });
        for (const cursor of subject.oldCursors?.[name] ?? [])
          await expectAnswerOrRefusal(opened, name, { cursor, whole, isOld: true });
      }),
  ),
  connectorCheck(
    {
      id: 26,
      topic: 'State',
      title: 'no checkpoint comes before a record it covers, in whatever order pages end',
      why: 'Behind a checkpoint nothing is read again: a record it leaves out is lost.',
    },
    (subject) =>
      withCursors(subject, (opened, dataset, { server }) => {
        answerLastFirst(server);
        return expectNoHole(opened, dataset);
      }),
  ),
];

/** Whether the value is made of JSON's own kinds all through. */
function isPlain(value: unknown): boolean {
  if (value === null || ['string', 'boolean'].includes(typeof value)) return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isPlain);
  if (typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isPlain);
}
