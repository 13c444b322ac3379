import { isCheckpoint, type JsonValue } from '@on-the-way/sdk';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ListModel, type ModelActivity, type Unknowns } from '../test/list-model.ts';
import { readActivities } from './activities.ts';

const day = 86_400;
const first = Date.UTC(2026, 0, 1) / 1000;
const now = first + 60 * day;
const lookBackDays = 10;

/** Starts that fall together often: some days, few times of a day. */
const began = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom(0, 1, 2, 8 * 3600, 20 * 3600, day - 1))
  .map(([days, seconds]) => first + days * day + seconds);

/** Shown as it was, or hidden as the first second of its day: in the athlete's zone, or as if that were UTC. */
const shownAs = fc.constantFrom<(start: number) => number>(
  (start) => start,
  (start) => start,
  (start) => start,
  (start) => start - ((start + 8 * 3600) % day) + 1,
  (start) => start + 8 * 3600 - ((start + 8 * 3600) % day) + 1,
);

const activity = fc.tuple(began, shownAs).map(([start, show]) => ({ began: start, shown: show(start) }));
const unknowns: fc.Arbitrary<Unknowns> = fc.record({
  sortsBy: fc.constantFrom('began', 'shown'),
  filtersBy: fc.constantFrom('began', 'shown'),
  includes: fc.boolean(),
});

/** What happens to the list before a request: one appears, or one is taken away. */
const happening = fc.record({
  request: fc.integer({ min: 1, max: 25 }),
  appears: fc.option(activity),
  victim: fc.nat(),
});

const story = fc.record({
  unknowns,
  perPage: fc.integer({ min: 2, max: 6 }),
  starts: fc.array(activity, { maxLength: 40 }),
  /** Every so many of them takes a place and is not shown. */
  leftOut: fc.integer({ min: 3, max: 9 }),
  happenings: fc.array(happening, { maxLength: 5 }),
  /** Records after which a fetch is cut off, one number a fetch. */
  cuts: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
});

type Story = typeof story extends fc.Arbitrary<infer Told> ? Told : never;

/** Whether an activity that is not shown stands beside: taking away what is between two of them makes an empty page. */
function standsBesideLeftOut(model: ListModel, id: number): boolean {
  const sorted = model.sorted();
  const place = sorted.findIndex((one) => one.id === id);
  return [sorted[place - 1], sorted[place + 1]].some((neighbour) => neighbour?.left === true);
}

/** Puts the list behind a story; what was there from the beginning and stays is in `lasting`. */
function begin({ unknowns: how, starts, leftOut, happenings }: Story) {
  const model = new ListModel(
    starts.map((one, index) => ({ ...one, id: index + 1, left: false })),
    how,
    now,
  );
  model.activities = model.sorted().map((one, index) => ({ ...one, left: index % leftOut === leftOut - 1 }));
  const lasting = new Map(model.activities.filter(({ left }) => !left).map((one) => [one.id, one]));
  let nextId = 1000;
  model.change = (request) => {
    for (const { appears, victim } of happenings.filter((one) => one.request === request)) {
      const gone = model.activities[victim % Math.max(1, model.activities.length)];
      if (appears) model.activities.push({ ...appears, id: (nextId += 1), left: false });
      else if (gone && !gone.left && !standsBesideLeftOut(model, gone.id)) {
        model.activities = model.activities.filter((one) => one !== gone);
        lasting.delete(gone.id);
      }
    }
  };
  return { model, lasting };
}

interface Fetch {
  readonly perPage: number;
  readonly cursor: JsonValue | undefined;
  /** Records after which it is cut off; `Infinity` lets it end. */
  readonly cut: number;
}

/** One fetch: its last cursor and whether it ended. Every key that came is put into `keys`. */
async function fetchOnce(
  model: ListModel,
  { perPage, cursor: start, cut }: Fetch,
  keys: Set<string>,
): Promise<{ cursor: JsonValue | undefined; ended: boolean }> {
  let cursor = start;
  let records = 0;
  const passed = [start];
  const source = { client: model, perPage, lookBackDays };
  for await (const said of readActivities(source, cursor, new AbortController().signal)) {
    if (isCheckpoint(said)) {
      ({ cursor } = said);
      // The host would take it for a circle.
      expect(passed).not.toContainEqual(cursor);
      passed.push(cursor);
      continue;
    }
    keys.add(said.key);
    records += 1;
    if (records === cut) return { cursor, ended: false };
  }
  return { cursor, ended: true };
}

/** Fetches until a fetch is not cut off; the last cursor, with every key that came. */
async function round(
  model: ListModel,
  {
    perPage,
    cursor: start,
    cuts,
  }: { perPage: number; cursor: JsonValue | undefined; cuts: readonly number[] },
): Promise<{ cursor: JsonValue; keys: Set<string> }> {
  const keys = new Set<string>();
  let cursor = start;
  for (const cut of [...cuts, Infinity]) {
    const fetched = await fetchOnce(model, { perPage, cursor, cut }, keys);
    ({ cursor } = fetched);
    if (fetched.ended) break;
  }
  return { cursor: cursor ?? null, keys };
}

const idsMissing = (expected: Iterable<ModelActivity>, keys: ReadonlySet<string>): number[] =>
  [...expected].filter(({ id }) => !keys.has(String(id))).map(({ id }) => id);

test('whatever comes and goes meanwhile, and wherever a fetch is cut off, no activity that stays is skipped', async () => {
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      const { model, lasting } = begin(told);
      const one = await round(model, { ...told, cursor: undefined });
      model.change = () => undefined;
      const two = await round(model, { ...told, cursor: one.cursor, cuts: [] });
      // A round may end early, behind a short page from which something was taken; the next one begins before its end.
      const { newest } = one.cursor as { newest: number };
      const before = [...lasting.values()].filter(({ shown }) => shown < newest - 2 * day);
      expect(idsMissing(before, one.keys)).toEqual([]);
      expect(idsMissing(lasting.values(), new Set([...one.keys, ...two.keys]))).toEqual([]);
    }),
    { numRuns: 1500 },
  );
});

test('what appeared late, within the days that are looked back, comes with the next round', async () => {
  await fc.assert(
    fc.asyncProperty(story, fc.array(activity, { maxLength: 5 }), async (told, late) => {
      const { model } = begin(told);
      const before = await round(model, { ...told, cursor: undefined });
      model.change = () => undefined;
      for (const [index, one] of late.entries())
        model.activities.push({ ...one, id: 2000 + index, left: false });
      const { newest } = before.cursor as { newest: number };
      const after = await round(model, { ...told, cursor: before.cursor, cuts: [] });
      const expected = model.activities.filter(
        ({ shown, left }) => !left && shown >= newest - lookBackDays * day,
      );
      expect(idsMissing(expected, after.keys)).toEqual([]);
    }),
    { numRuns: 700 },
  );
});

test('a second round over an unchanged list ends with another cursor, and reads only what it looks back for', async () => {
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      const { model } = begin({ ...told, happenings: [] });
      const one = await round(model, { ...told, cursor: undefined, cuts: [] });
      const two = await round(model, { ...told, cursor: one.cursor, cuts: [] });
      const { newest } = one.cursor as { newest: number };
      expect(two.cursor).not.toEqual(one.cursor);
      expect((two.cursor as { newest: number }).newest).toBe(newest);
      const old = model.activities.filter(({ shown }) => shown < newest - (lookBackDays + 4) * day);
      expect(old.filter(({ id }) => two.keys.has(String(id)))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('whichever activity is taken away before whichever request, no other one is skipped', async () => {
  const starts = [0, 1, 2, 3, day, 10 * day].map((start) => first + start);
  const all = starts.map((start, index) => ({ id: index + 1, began: start, shown: start, left: false }));
  const how = { sortsBy: 'began', filtersBy: 'began', includes: false } as const;
  for (let request = 1; request <= 16; request += 1) {
    for (const { id: victim } of all) {
      const model = new ListModel(all, how, now);
      model.change = (number) => {
        if (number === request) model.activities = model.activities.filter(({ id }) => id !== victim);
      };
      const { keys } = await round(model, { perPage: 2, cursor: undefined, cuts: [] });
      const others = all.filter(({ id }) => id !== victim);
      expect({ request, victim, missing: idsMissing(others, keys) }).toEqual({
        request,
        victim,
        missing: [],
      });
    }
  }
});

/** Time in which nothing is asked, what is uploaded meanwhile, and then one fetch. */
const pause = fc.record({
  seconds: fc.integer({ min: 0, max: 60 * day }),
  uploads: fc.array(
    fc.record({
      /** Where in the pause: 0 its beginning, 1 its end. */
      when: fc.double({ min: 0, max: 1, noNaN: true }),
      /** How long it had begun by then. */
      late: fc.integer({ min: 0, max: lookBackDays * day }),
      show: shownAs,
    }),
    { maxLength: 12 },
  ),
  /** How far ahead of the time of its upload the clock of a watch puts an activity. */
  ahead: fc.option(fc.constantFrom(60, 8 * 3600, 5 * day, 20 * day, 365 * day)),
  takesNewest: fc.boolean(),
  cut: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 30 })),
});

type Pause = typeof pause extends fc.Arbitrary<infer Told> ? Told : never;

/** Lets a pause go by; the ids of what comes begin at `id`. */
function letPass(model: ListModel, { seconds, uploads, ahead, takesNewest }: Pause, id: number): void {
  const from = model.clock;
  let next = id;
  const appears = (one: Pick<ModelActivity, 'began' | 'shown'>): void => {
    model.activities.push({ ...one, id: (next += 1), left: false });
  };
  if (takesNewest) model.activities = model.sorted().slice(0, -1);
  if (ahead !== null) appears({ began: from + ahead, shown: from + ahead });
  for (const { when, late, show } of uploads) {
    const start = from + Math.floor(when * seconds) - late;
    appears({ began: start, shown: show(start) });
  }
  model.clock += seconds;
}

test('however long nothing is asked, wherever it had stopped and whatever lies in the future, nothing is skipped', async () => {
  await fc.assert(
    fc.asyncProperty(story, fc.array(pause, { maxLength: 5 }), async (told, pauses) => {
      const { model } = begin({ ...told, happenings: [], leftOut: Infinity });
      const { perPage } = told;
      const keys = new Set<string>();
      let cursor: JsonValue | undefined;
      for (const [index, one] of pauses.entries()) {
        letPass(model, one, 1000 * (index + 1));
        ({ cursor } = await fetchOnce(model, { perPage, cursor, cut: one.cut }, keys));
      }
      for (let last = 0; last < 2; last += 1)
        ({ cursor } = await fetchOnce(model, { perPage, cursor, cut: Infinity }, keys));
      expect(idsMissing(model.activities, keys)).toEqual([]);
    }),
    { numRuns: 400 },
  );
});
