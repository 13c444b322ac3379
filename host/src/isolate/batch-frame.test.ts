import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Batch } from './batch-frame.ts';
import { encode } from './lines.ts';
import { createMessageReader, type FromChild } from './protocol.ts';

const key = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !text.includes('\u001F'));
const payload = fc
  .jsonValue()
  .chain((value) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, 2)));
const batch: fc.Arbitrary<Batch> = fc
  .record({
    id: fc.nat(),
    sourceId: key,
    notCompared: fc.option(fc.array(key, { maxLength: 3 }), { nil: undefined }),
    checkpoint: fc.option(fc.jsonValue(), { nil: undefined }),
    events: fc.array(
      fc.record({
        externalId: key,
        payload,
        note: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
      }),
      { maxLength: 5 },
    ),
  })
  .map(({ id, sourceId, notCompared, checkpoint, events }) => ({
    type: 'batch',
    id,
    events: events.map(({ note, ...event }) => ({
      day: '2026-02-26',
      event: {
        ...event,
        sourceId,
        occurredAt: '2026-02-26T00:00:00+08:00',
        payloadHash: 'h',
        requestId: 'r',
        ...(notCompared && { notCompared }),
      },
      ...(note !== undefined && { note: note.toWellFormed() }),
    })),
    ...(checkpoint !== undefined && { checkpoint: checkpoint as null }),
  }));
const message: fc.Arbitrary<FromChild> = fc.oneof(
  batch,
  fc.record({ type: fc.constant('requests' as const), made: fc.nat() }),
  fc.record({ type: fc.constant('log' as const), level: fc.constant('info' as const), message: fc.string() }),
);

function read(bytes: Buffer, cuts: readonly number[], longest = 10_000_000): (FromChild | undefined)[] {
  const messages: (FromChild | undefined)[] = [];
  const reader = createMessageReader((found) => messages.push(found), longest);
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  let from = 0;
  for (const to of places) {
    // Bytes that somebody writes over, as a socket does with those it has handed over.
    if (to > from) reader(Buffer.from(bytes.subarray(from, to)));
    from = to;
  }
  return messages;
}

test('messages come through as they are, in whatever pieces they arrive', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.flatMap((each) => encode(each).map((piece) => Buffer.from(piece))));
      expect(read(bytes, cuts)).toEqual(JSON.parse(JSON.stringify(sent)));
    }),
  );
});

const one: Batch = {
  type: 'batch',
  id: 1,
  events: [
    {
      day: '2026-02-26',
      event: {
        sourceId: 's',
        externalId: 'e',
        occurredAt: 'o',
        payload: '{}',
        payloadHash: 'h',
        requestId: 'r',
      },
    },
  ],
};

test('a batch of many long events comes through as it is', () => {
  const many = [1, 20_000, 1, 60_000, 90_000].map((times, at) => {
    const [{ event, day }] = one.events as [Batch['events'][0]];
    return { day, event: { ...event, externalId: `e${at}`, payload: `"${'北京 🙂 a'.repeat(times)}"` } };
  });
  const bytes = Buffer.concat(encode({ ...one, events: many }).map((piece) => Buffer.from(piece)));
  expect(read(bytes, [70_000, 200_000])).toEqual([{ ...one, events: many }]);
});

test.each([
  ['no JSON', 'hello\n'],
  ['another message', '{"type":"unknown"}\n'],
  ['fewer events than it says', encode(one).join('').replace('"count":1', '"count":2')],
  ['more events than it says', encode(one).join('').replace('"count":1', '"count":0')],
  [
    'fewer bytes than its events',
    `${encode(one)
      .join('')
      .replace(/"bytes":\d+/, '"bytes":12')}`,
  ],
  [
    'more bytes than may be',
    encode(one)
      .join('')
      .replace(/"bytes":\d+/, '"bytes":2000'),
  ],
  ['a line without end', 'x'.repeat(2_000)],
])('what is no message is told as such, and nothing is read behind it: %s', (_what, text) => {
  expect(read(Buffer.from(`${text}{"type":"requests","made":1}\n`), [5], 1_000)).toEqual([undefined]);
});
