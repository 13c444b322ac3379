import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectorError, type RawEvent, type SinkWriter } from '@on-the-way/sdk';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventOf, filesIn, linesIn, openSink, quiet } from '../test/events.ts';
import sink from './index.ts';

const { signal } = new AbortController();
let directory: string;
let writer: SinkWriter;

beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'otw-jsonl-')), 'events');
  writer = await openSink(directory);
});
afterEach(async () => {
  await writer.close();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

async function failure(writing: Promise<unknown>): Promise<ConnectorError> {
  const error: unknown = await writing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!ConnectorError.is(error)) throw new Error('expected a ConnectorError', { cause: error });
  return error;
}

const outcomes = ({ rows }: Awaited<ReturnType<SinkWriter['write']>>) => rows.map(({ outcome }) => outcome);

describe('what is stored', () => {
  test('a line an event, in the file of its source and of the day that is written in occurredAt', async () => {
    const late = eventOf('a', { sourceId: 'garmin_connect_health', occurredAt: '2026-02-26T23:30:00-08:00' });
    const { rows } = await writer.write([late, eventOf('b', { sourceId: 'Ä/..' })], { signal });
    expect(Object.keys(filesIn(directory))).toEqual([
      '%c3%84%2f%2e%2e/2026-02-26.jsonl',
      'garmin_connect_health/2026-02-26.jsonl',
    ]);
    expect(linesIn(directory)[1]).toEqual({
      source_id: 'garmin_connect_health',
      external_id: 'a',
      occurred_at: '2026-02-26T23:30:00-08:00',
      payload_hash: late.payloadHash,
      raw_id: rows[0]?.rawId,
      ingested_at: rows[0]?.ingestedAt,
      request_id: late.requestId,
      payload: { id: 'a' },
    });
  });

  test.each([
    ['an integer beyond 2^53', '{"big":9007199254740993}'],
    ['a number beyond a double, and one below', '[1e400,-1E-400,-0,-0.0,1.10]'],
    ['escaped NUL and half characters', String.raw`{"nul":"\u0000","half":"\ud800","é":"\u00e9"}`],
    ['a megabyte of text', JSON.stringify({ text: '€'.repeat(350_000) })],
    ['nesting 10,000 deep', '['.repeat(10_000) + ']'.repeat(10_000)],
    ['separators that some take for line breaks', '{"a":"\u2028\u2029\u0085"}'],
    ['white space and members twice', '{ "a" :\t1 , "a": 2 }'],
    ['what looks like the end of the head', '{"a":",\\"payload\\":","payload":{"payload":1}}'],
    ['a lone value', '"text"'],
  ])('%s is stored digit for digit', async (_, payload) => {
    const event = eventOf('",\n"payload":\\', { payload });
    await writer.write([event], { signal });
    const [text = ''] = Object.values(filesIn(directory));
    expect(text.endsWith(`,"payload":${payload}}\n`)).toBe(true);
    const again = await openSink(directory);
    expect(outcomes(await again.write([event], { signal }))).toEqual(['unchanged']);
    expect(outcomes(await again.write([{ ...event, payloadHash: 'other' }], { signal }))).toEqual([
      'unchanged',
    ]);
  });

  test('a payload over several lines is one line', async () => {
    await writer.write([eventOf('a', { payload: '{\r\n  "a": "b",\n  "c": 1e2\n}' })], { signal });
    expect(Object.values(filesIn(directory))[0]).toContain(`"payload":{    "a": "b",   "c": 1e2 }}\n`);
  });

  test('any key and any JSON are found again as they were', async () => {
    // Of a source so many, since its folder's name has twelve characters for the longest of them.
    const source = fc.string({ unit: 'binary', minLength: 1, maxLength: 16 });
    const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    const events = fc.uniqueArray(fc.tuple(source, id, fc.json()), {
      maxLength: 20,
      selector: ([a, b]) => `${a.length} ${a}${b}`,
    });
    await fc.assert(
      fc.asyncProperty(events, async (made) => {
        const place = mkdtempSync(join(directory, 'any-'));
        const batch = made.map(([sourceId, id, payload]) => eventOf(id, { sourceId, payload }));
        const result = await (await openSink(place)).write(batch, { signal });
        expect(result.written).toBe(batch.length);
        const lines = linesIn(place).map((line) =>
          JSON.stringify([line.source_id, line.external_id, line.payload]),
        );
        const wanted = batch.map((event) =>
          JSON.stringify([event.sourceId, event.externalId, JSON.parse(event.payload)]),
        );
        expect(lines.toSorted()).toEqual(wanted.toSorted());
        expect((await (await openSink(place)).write(batch, { signal })).unchanged).toBe(batch.length);
      }),
      { numRuns: 25 },
    );
  });
});

describe('what becomes of an event', () => {
  test('writing a batch twice leaves one line an event, with the first row id and time, also after opening again', async () => {
    const batch = [eventOf('b'), eventOf('a', { occurredAt: '2026-02-25T00:00:00Z' })];
    const first = await writer.write(batch, { signal });
    const before = filesIn(directory);
    const reopened = await openSink(directory);
    for (const by of [writer, reopened]) {
      const again = await by.write(batch, { signal });
      expect(again).toMatchObject({ written: 0, unchanged: 2, conflicts: [] });
      expect(again.rows.map(({ rawId, ingestedAt }) => [rawId, ingestedAt])).toEqual(
        first.rows.map(({ rawId, ingestedAt }) => [rawId, ingestedAt]),
      );
    }
    expect(filesIn(directory)).toEqual(before);
  });

  test('another payload or another moment under a key is a conflict, and the first is kept', async () => {
    const first = eventOf('a');
    await writer.write([first], { signal });
    const other = eventOf('a', { payload: '{"id":"b"}' });
    const later = { ...first, occurredAt: '2026-02-27T00:00:00+08:00' };
    const same = { ...first, occurredAt: '2026-02-25T16:00:00.0000001Z' };
    const result = await writer.write([other, later, same, eventOf('c')], { signal });
    expect(outcomes(result)).toEqual(['conflict', 'conflict', 'unchanged', 'written']);
    expect(result.conflicts).toEqual([other, later]);
    expect(new Set(result.rows.slice(0, 3).map(({ rawId }) => rawId)).size).toBe(1);
    expect(linesIn(directory).map(({ external_id: id, payload }) => [id, payload])).toEqual([
      ['a', { id: 'a' }],
      ['c', { id: 'c' }],
    ]);
  });

  test('within a batch the first of a key wins', async () => {
    const other = eventOf('a', { payload: '{}' });
    const result = await writer.write([eventOf('a'), other, eventOf('a')], { signal });
    expect(outcomes(result)).toEqual(['written', 'conflict', 'unchanged']);
    expect(linesIn(directory)).toHaveLength(1);
  });

  test('a microsecond apart is another moment', async () => {
    const first = eventOf('a', { occurredAt: '2026-02-26T00:00:00.000001+08:00' });
    await writer.write([first], { signal });
    const next = { ...first, occurredAt: '2026-02-25T16:00:00.000002Z' };
    expect(outcomes(await writer.write([next], { signal }))).toEqual(['conflict']);
  });

  test('what was stored with a hash of other rules is the same when it says the same', async () => {
    const payload = '{"big":9007199254740993,"value":1.0,"how":"a","data":{"b":[1e2],"a":null}}';
    await writer.write([eventOf('a', { payload }), eventOf('list', { payload: '["how",1]' })], { signal });
    const same = '{"data":{"a":null,"b":[100]},"value":1,"big":9007199254740993}';
    const again = (said: string, notCompared: readonly string[] = ['how']) =>
      eventOf('a', { payload: said, notCompared });
    const batch = [
      again(same),
      again(`{"how":"b",${same.slice(1)}`),
      again(same.replace('993', '992')),
      again(same.replace('"value":1', '"value":"1"')),
      again(same, []),
      eventOf('list', { payload: '["how", 1]', notCompared: ['how'] }),
    ];
    expect(outcomes(await writer.write(batch, { signal })).join(' ')).toBe(
      'unchanged unchanged conflict conflict conflict unchanged',
    );
  });

  test('the same id of another source is another event, and an empty batch is nothing', async () => {
    expect(await writer.write([eventOf('a'), eventOf('a', { sourceId: 'other' })], { signal })).toMatchObject(
      { written: 2 },
    );
    expect(await writer.write([], { signal })).toEqual({ written: 0, unchanged: 0, conflicts: [], rows: [] });
  });
});

describe('a batch that cannot be stored leaves nothing', () => {
  test.each<[string, Partial<RawEvent>]>([
    ['a half character in the payload', { payload: '{"secret":"\ud800"}' }],
    ['a half character in the key', { externalId: 'bad\ud800' }],
    ['a control character in the JSON', { payload: '{"secret":"\0"}' }],
    ['text that is not JSON', { payload: '{"secret":' }],
    ['two JSON texts', { payload: '{"secret":1}\n{"secret":1}' }],
    ['a day that is none', { occurredAt: '2026-02-30T00:00:00Z' }],
    ['a time without offset', { occurredAt: '../../02-26T00:00:00' }],
    ['a source whose folder has too long a name', { sourceId: '.'.repeat(70) }],
  ])('%s is refused by name', async (_, changes) => {
    const bad = eventOf('bad', changes);
    const { code, message, cause } = await failure(writer.write([eventOf('a'), bad], { signal }));
    expect(code).toBe('bad_data');
    expect(message).toMatch(/external_id "bad/);
    expect(`${message} ${String(cause)}`).not.toContain('secret');
    expect(filesIn(directory)).toEqual({});
    expect(await writer.write([eventOf('a')], { signal })).toMatchObject({ written: 1 });
  });

  test('aborted before it began, or while it waited for its turn', async () => {
    const stop = new AbortController();
    const first = writer.write([eventOf('a')], { signal });
    const second = writer.write([eventOf('b')], { signal: stop.signal });
    stop.abort(new DOMException('stop', 'AbortError'));
    await expect(second).rejects.toMatchObject({ name: 'AbortError' });
    await expect(writer.write([eventOf('c')], { signal: stop.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    await first;
    expect(linesIn(directory).map((line) => line.external_id)).toEqual(['a']);
  });

  test('aborted at any moment it is whole or not there, and the next one goes on', async () => {
    const batch = Array.from({ length: 40 }, (_, at) =>
      eventOf(`e${at}`, { occurredAt: `2026-03-${10 + (at % 20)}T00:00:00Z` }),
    );
    for (let round = 0; round < 12; round += 1) {
      const stop = new AbortController();
      const writing = writer.write(
        batch.map((event) => ({ ...event, externalId: `${round} ${event.externalId}` })),
        { signal: stop.signal },
      );
      const timer = setTimeout(() => stop.abort(new DOMException('stop', 'AbortError')), round * 2);
      const [settled] = await Promise.allSettled([writing]);
      clearTimeout(timer);
      const there = linesIn(directory).filter((line) => line.external_id.startsWith(`${round} `)).length;
      expect(there).toBe(settled?.status === 'fulfilled' ? 40 : 0);
    }
    expect(await writer.write([eventOf('after')], { signal })).toMatchObject({ written: 1 });
  });

  test.skipIf(process.platform === 'win32')(
    'a full disk is transient, says so, and nothing of the batch stays',
    async () => {
      mkdirSync(join(directory, 'source'), { recursive: true });
      symlinkSync('/dev/full', join(directory, 'source/2026-02-27.jsonl'));
      const batch = [eventOf('a'), eventOf('b', { occurredAt: '2026-02-27T00:00:00+08:00' })];
      const { code, message } = await failure(writer.write(batch, { signal }));
      expect([code, message]).toEqual([
        'transient',
        expect.stringMatching(/no space left there \(ENOSPC\): make room/),
      ]);
      expect(linesIn(directory)).toEqual([]);
      // What stood in the way was taken for the batch's own and is gone.
      expect(await writer.write(batch, { signal })).toMatchObject({ written: 2 });
    },
  );
});

describe('files that something else changed', () => {
  const other = '{"source_id":"source"}\n';
  const dayFile = () => join(directory, 'source/2026-02-26.jsonl');

  beforeEach(async () => {
    await writer.write([eventOf('a'), eventOf('b')], { signal });
  });

  test.each([
    ['a line that is no JSON', 'nonsense\n'],
    ['JSON that is no event', other],
    ['a line without its end', '{"source_id":'],
    ['an empty line', '\n'],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0x0a])],
  ])('%s refuses the directory, by file and byte, and nothing is changed', async (_, added) => {
    const { length } = readFileSync(dayFile());
    appendFileSync(dayFile(), added);
    const before = readFileSync(dayFile());
    const { code, message } = await failure(openSink(directory));
    expect([code, message]).toEqual([
      'config',
      expect.stringContaining(`${dayFile()} to have one event a line`),
    ]);
    expect(message).toContain(`at byte ${length}`);
    expect(readFileSync(dayFile()).equals(before)).toBe(true);
  });

  test('a file that was cut off refuses the directory until it is put back', async () => {
    const whole = readFileSync(dayFile());
    truncateSync(dayFile(), whole.length - 20);
    expect(await failure(openSink(directory))).toMatchObject({
      code: 'config',
      message: expect.stringContaining('cut off'),
    });
    // The one that is open finds it when it comes to the file.
    expect(await failure(writer.write([eventOf('c')], { signal }))).toMatchObject({ code: 'config' });
    expect(await failure(writer.write([eventOf('a')], { signal }))).toMatchObject({ code: 'config' });
    expect(readFileSync(dayFile()).length).toBe(whole.length - 20);
    writeFileSync(dayFile(), whole);
    expect(outcomes(await writer.write([eventOf('a'), eventOf('c')], { signal }))).toEqual([
      'unchanged',
      'written',
    ]);
  });

  test('a batch that was cut off is not taken out of a file that has grown since', async () => {
    const { length } = readFileSync(dayFile());
    const { writeRecord } = await import('./batch-record.ts');
    await writeRecord(join(directory, '.writer'), {
      id: 'x',
      parts: [{ path: 'source/2026-02-26.jsonl', from: length - 10, to: length - 5 }],
    });
    expect(await failure(openSink(directory))).toMatchObject({
      code: 'config',
      message: expect.stringContaining('something else changed it'),
    });
    expect(readFileSync(dayFile()).length).toBe(length);
  });

  test('a file that somebody cut while the sink was open is told by its lengths, and what helps', async () => {
    const { length } = readFileSync(dayFile());
    // As logrotate does it with copytruncate.
    truncateSync(dayFile(), 0);
    const { code, message } = await failure(writer.write([eventOf('a')], { signal }));
    expect([code, message]).toEqual([
      'config',
      expect.stringContaining(`${dayFile()} to have ${length} bytes, as this sink left it, found 0`),
    ]);
    expect(message).toContain('put it back');
    // Who wants it so writes on: what was in the file is not known any more.
    expect(outcomes(await writer.write([eventOf('a')], { signal }))).toEqual(['written']);
  });

  test('a file with other bytes of the same length is told as changed, by file and byte', async () => {
    const { length } = readFileSync(dayFile());
    writeFileSync(dayFile(), 'x'.repeat(length));
    expect(await failure(writer.write([eventOf('a')], { signal }))).toMatchObject({
      code: 'config',
      message: expect.stringMatching(/2026-02-26\.jsonl.* found other bytes at byte 0: put the file back/),
    });
  });

  test('a folder or a file that was moved elsewhere and linked is read and written on', async () => {
    await writer.write([eventOf('c', { occurredAt: '2026-02-27T00:00:00Z' })], { signal });
    const elsewhere = mkdtempSync(join(tmpdir(), 'otw-jsonl-elsewhere-'));
    try {
      renameSync(join(directory, 'source'), join(elsewhere, 'source'));
      symlinkSync(join(elsewhere, 'source'), join(directory, 'source'));
      renameSync(join(elsewhere, 'source/2026-02-27.jsonl'), join(elsewhere, 'day'));
      symlinkSync(join(elsewhere, 'day'), join(elsewhere, 'source/2026-02-27.jsonl'));
      symlinkSync(join(elsewhere, 'nowhere'), join(directory, 'not-mounted'));
      const moved = eventOf('a', { occurredAt: '2026-03-05T00:00:00Z' });
      const later = eventOf('d', { occurredAt: '2026-02-27T00:00:00Z' });
      const batch = [eventOf('a'), moved, eventOf('e'), later];
      const expected = ['unchanged', 'conflict', 'written', 'written'];
      expect(outcomes(await (await openSink(directory)).write(batch, { signal }))).toEqual(expected);
      expect(readFileSync(join(elsewhere, 'day'), 'utf8').split('\n')).toHaveLength(3);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  test('other files and folders are left alone', async () => {
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    writeFileSync(join(directory, 'source/2026-02-26.jsonl.gz'), 'mine');
    mkdirSync(join(directory, 'source/2026-02-27.jsonl'));
    expect(outcomes(await (await openSink(directory)).write([eventOf('a')], { signal }))).toEqual([
      'unchanged',
    ]);
  });
});

describe('the directory', () => {
  test('is made for its owner alone, and files of one that others may read are readable', async () => {
    await writer.write([eventOf('a')], { signal });
    const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect([modeOf(directory), modeOf(join(directory, 'source/2026-02-26.jsonl'))]).toEqual(['700', '600']);
    chmodSync(directory, 0o755);
    await (
      await openSink(directory)
    ).write([eventOf('b', { occurredAt: '2026-02-27T00:00:00Z' })], { signal });
    expect(modeOf(join(directory, 'source/2026-02-27.jsonl'))).toBe('644');
  });

  test('that cannot be made is a mistake of the configuration, and its path is told when it can', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    expect(await failure(openSink(join(file, 'below')))).toMatchObject({
      code: 'config',
      message: expect.stringContaining(file),
    });
    const told: unknown[] = [];
    await openSink(join(directory, 'x/../y'), { ...quiet, info: (...said: unknown[]) => told.push(said) });
    expect(told).toEqual([['storing events', { directory: join(directory, 'y') }]]);
  });

  test('is the only setting, and a misspelt one is refused', () => {
    expect(sink.config.safeParse({}).success).toBe(false);
    const { error } = sink.config.safeParse({ directory: 'x', fsync: false });
    expect(error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['fsync'] }]);
  });
});
