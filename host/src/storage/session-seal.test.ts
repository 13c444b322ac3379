import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { givenSessionKey } from './session-key.ts';
import { seal, unseal, type Sealed } from './session-seal.ts';

const key = givenSessionKey(randomBytes(32).toString('base64'));

/** The same with one bit of one byte changed. */
function flipped(sealed: Sealed, part: keyof Sealed, at: number): Sealed {
  const changed = Buffer.from(sealed[part]);
  changed[at] = (changed[at] ?? 0) ^ 0x10;
  return { ...sealed, [part]: changed };
}

test('what was sealed opens again, whatever it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, place) => {
      expect(unseal(key, place, seal(key, place, text))).toBe(text.toWellFormed());
    }),
  );
});

test('no byte of it can be changed, cut off or added', () => {
  const sealed = seal(key, 'garmin/token', 'an invented token');
  for (const part of ['nonce', 'ciphertext'] as const) {
    for (let at = 0; at < sealed[part].length; at += 1) {
      expect(unseal(key, 'garmin/token', flipped(sealed, part, at))).toBeUndefined();
      expect(
        unseal(key, 'garmin/token', { ...sealed, [part]: sealed[part].subarray(0, at) }),
      ).toBeUndefined();
    }
    const longer = { ...sealed, [part]: Buffer.concat([sealed[part], Buffer.alloc(1)]) };
    expect(unseal(key, 'garmin/token', longer)).toBeUndefined();
  }
});

test('two that change places open in neither', () => {
  const [here, there] = [seal(key, 'garmin/a', 'one'), seal(key, 'garmin/b', 'two')];
  expect(unseal(key, 'garmin/a', there)).toBeUndefined();
  expect(unseal(key, 'garmin/b', here)).toBeUndefined();
  const mixed = { nonce: here.nonce, ciphertext: there.ciphertext };
  expect([unseal(key, 'garmin/a', mixed), unseal(key, 'garmin/b', mixed)]).toEqual([undefined, undefined]);
});

test('another key opens nothing', () => {
  const other = givenSessionKey(randomBytes(32).toString('base64'));
  expect(unseal(other, 'garmin/a', seal(key, 'garmin/a', 'one'))).toBeUndefined();
});

test('ten thousand nonces are all different', () => {
  const nonces = Array.from({ length: 10_000 }, () => seal(key, 'garmin/a', '').nonce.toString('hex'));
  expect(new Set(nonces).size).toBe(10_000);
  expect(nonces.every((nonce) => nonce.length === 24)).toBe(true);
});
