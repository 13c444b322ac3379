import { createHash } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { partNames, readArguments } from './arguments.ts';
import { figuresOf, median, ratioOf, type Sample } from './figures.ts';
import { figuresTable } from './figures-table.ts';
import { isMet, limitGoal, rateGoal } from './goals.ts';
import { machineTimes, peakRssMb, startMeasuring } from './measure.ts';
import { eventOf } from './our-events.ts';
import { goalsTable, reportPage } from './report.ts';
import { inRounds } from './rounds.ts';
import { copyLine, copyMessages } from './wire-copy.ts';
import { largeBytes, largeLine, smallBytes, smallLine, type WireRecord } from './workload.ts';

function run(rate: number, others?: number): Sample {
  return {
    rows: rate,
    bytes: rate * 576,
    ms: 1000,
    clientUs: 2 * rate,
    serverUs: undefined,
    others,
    rssMb: 100,
  };
}

describe('the records', () => {
  test('are the same at every run', () => {
    const lines = Array.from({ length: 50 }, (_, index) => smallLine(index)).join('') + largeLine(0);
    const digest = createHash('sha256').update(lines).digest('hex').slice(0, 16);
    expect(digest).toBe('34c53b4e3732e1f6');
  });

  test('have as many bytes as they are said to have, an escape, and letters that are not ASCII', () => {
    for (const index of [0, 1, 19, 20, 99_999]) {
      expect(Buffer.byteLength(smallLine(index))).toBe(smallBytes);
      expect(smallLine(index)).toMatch(/\\".*[^\x00-\x7f]/);
    }
    expect(Buffer.byteLength(largeLine(3))).toBe(largeBytes);
  });

  test('are of 20 sources, with keys that rise within each', () => {
    const events = Array.from({ length: 2200 }, (_, index) => eventOf(smallLine(index)));
    const bySource = Map.groupBy(events, ({ sourceId }) => sourceId);
    expect(bySource.size).toBe(20);
    for (const of of bySource.values()) {
      const keys = of.map(({ externalId }) => externalId);
      expect(keys).toEqual(keys.toSorted());
    }
  });

  test('have keys in no order, so that a canonical form costs what it costs', () => {
    const { data } = JSON.parse(smallLine(7)) as WireRecord;
    expect(Object.keys(data)).not.toEqual(Object.keys(data).toSorted());
  });

  test('that are said by another have the same key and another hash', () => {
    const [mine, theirs] = [eventOf(smallLine(20)), eventOf(smallLine(20, 20))];
    expect(theirs.externalId).toBe(mine.externalId);
    expect(theirs.payloadHash).not.toBe(mine.payloadHash);
    expect(smallLine(21, 20)).toBe(smallLine(21));
  });

  test('go into COPY with what is special to it escaped, in messages that say their length', () => {
    const line = copyLine({ ...eventOf(smallLine(0)), sourceId: 'a\tb\\c\nd' });
    expect(line.split('\t')).toHaveLength(6);
    expect(line.startsWith('a\\tb\\\\c\\nd\t')).toBe(true);
    expect(line).toContain('\\\\"');
    const messages = copyMessages(Buffer.from(line.repeat(200)));
    expect(messages.length).toBeGreaterThan(1);
    for (const message of messages) expect(message.readUInt32BE(1)).toBe(message.length - 1);
    expect(Buffer.concat(messages.map((message) => message.subarray(5))).toString()).toBe(line.repeat(200));
  });
});

describe('figures', () => {
  test('a median is the middle one, or between the two in the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([5])]).toEqual([2, 2.5, 5]);
    expect(median([])).toBeNaN();
  });

  test('runs are quiet while others use at most a fifth of the machine', () => {
    const figures = figuresOf([run(100, 0.1), run(300, 0.2), run(900, 0.21)]);
    expect(figures).toMatchObject({
      runs: 3,
      rate: 300,
      quiet: { rate: 200, runs: 2 },
      best: { rate: 900, others: 0.21 },
      clientUs: 2,
      serverUs: undefined,
      rssMb: 100,
    });
  });

  test('a ratio is of quiet medians, of best runs where a side had no quiet one, of all where nothing is known', () => {
    const base = figuresOf([run(100, 0.1), run(200, 0.5)]);
    expect(ratioOf(figuresOf([run(150, 0), run(900, 0.9)]), base)).toEqual({ value: 1.5, basis: 'quiet' });
    expect(ratioOf(figuresOf([run(100, 0.9), run(300, 0.9)]), base)).toEqual({ value: 1.5, basis: 'best' });
    expect(ratioOf(figuresOf([run(60), run(120)]), figuresOf([run(90)]))).toEqual({ value: 1, basis: 'all' });
  });

  test('an aim is met or not, and neither where nothing is known', () => {
    const [mine, base] = [figuresOf([run(110, 0)]), figuresOf([run(100, 0)])];
    expect(isMet(rateGoal('a', 'b', { mine, base, target: 1.1 }))).toBe(true);
    expect(isMet(rateGoal('a', 'b', { mine, base, target: 1.2 }))).toBe(false);
    expect(isMet(limitGoal('c', { value: 31, unit: 'µs', target: 30 }))).toBe(false);
    expect(isMet(limitGoal('c', { value: undefined, unit: 'µs', target: 30 }))).toBeUndefined();
  });

  test('what the machine did is read from its first line, time stolen included', () => {
    expect(machineTimes('cpu  10 1 5 80 4 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n')).toEqual({
      busy: 220_000,
      all: 1_060_000,
    });
    expect(machineTimes('intr 5')).toBeUndefined();
  });

  test('where the system tells nothing of processes, nothing is known and nothing fails', () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;
    onTestFinished(() => void Object.defineProperty(process, 'platform', platform));
    Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' });
    const used = startMeasuring({ server: process.pid, client: process.pid });
    expect(used()).toEqual({ serverUs: undefined, clientUs: undefined, others: undefined });
    expect(peakRssMb(process.pid)).toBeUndefined();
  });

  test.runIf(process.platform === 'linux')(
    'CPU that a process uses is counted as its own, not as that of others',
    () => {
      const used = startMeasuring({ server: process.pid });
      const end = performance.now() + 60;
      while (performance.now() < end) JSON.stringify(process.versions);
      const { serverUs, others } = used();
      expect(serverUs).toBeGreaterThan(0);
      expect(others).toBeLessThanOrEqual(1);
      expect(peakRssMb(process.pid)).toBeGreaterThan(10);
    },
  );

  test('every second round goes the other way', async () => {
    const order: string[] = [];
    await inRounds(3, ['a', 'b', 'c'], async (thing, round) => void order.push(`${round}${thing}`));
    expect(order.join(' ')).toBe('0a 0b 0c 1c 1b 1a 2a 2b 2c');
  });
});

describe('the report', () => {
  const [mine, base] = [figuresOf([run(110, 0.1)]), figuresOf([run(100)])];
  const goals = [
    rateGoal('fresh', 'P3: COPY', { mine, base, target: 1.2 }),
    limitGoal('CPU', { value: undefined, unit: 'µs', target: 30 }),
  ];

  test('says of each aim what was measured and whether it is met', () => {
    expect(goalsTable(goals).rows).toEqual([
      ['fresh', 'P3', '1.10 ×', '≥ 1.2 ×', 'not met', 'all runs'],
      ['CPU', '', '– µs', '≤ 30 µs', '–', 'all runs'],
    ]);
  });

  test('shows what this system does not tell as a dash', () => {
    const { heads, rows } = figuresTable([{ name: 'x', figures: base }]);
    expect(rows[0]).toHaveLength(heads.length);
    expect(rows[0]?.[heads.indexOf('server µs/row')]).toBe('–');
    expect(rows[0]?.[heads.indexOf('others')]).toBe('–');
  });

  test('is a page with the machine, the command, the seed and every table', () => {
    const table = figuresTable([{ name: 'x', figures: mine, base: { name: 'y', figures: base } }]);
    const part = { title: 'Writing', table, notes: ['A note.'], goals };
    const found = {
      at: '2026-02-26 12:00',
      machine: 'two cores',
      versions: 'Node',
      command: 'npm run bench',
      seed: 7,
    };
    const page = reportPage({ ...found, others: 0.5 }, [part]);
    for (const text of ['two cores', '`npm run bench`', '7', '50 %', '## Ratios', '## Writing', '- A note.'])
      expect(page).toContain(text);
    expect(reportPage({ ...found, others: undefined }, [])).toContain('does not tell');
  });
});

describe('the arguments', () => {
  test('without any: all parts but the one that takes many minutes', () => {
    expect(readArguments([])).toEqual({ full: false, parts: partNames.filter((name) => name !== 'growth') });
    expect(readArguments(['--full'])).toEqual({ full: true, parts: partNames });
  });

  test('name parts, in whatever order', () => {
    expect(readArguments(['planner', '--full', 'sink'])).toEqual({ full: true, parts: ['sink', 'planner'] });
  });

  test('that are not understood are answered with what was expected', () => {
    expect(readArguments(['sinks'])).toBe(
      'Expected --full and some of sink, http, scheduler, planner, start, growth, found sinks',
    );
    expect(readArguments(['--fast'])).toContain('found --fast');
  });
});
