import type { JsonValue } from '@on-the-way/sdk';
import { addDays } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRecorder, createRedaction, timeShiftOf } from './recorder.ts';

const secretOf = (seed: number): Uint8Array => Uint8Array.from([seed, seed >> 8, 7]);
const secrets = fc.integer({ min: 0, max: 65_535 }).map(secretOf);
const secret = secretOf(1);
const answer = (body: JsonValue, path = '/wellness-service/wellness/dailyStress/2026-01-07') => ({
  path,
  query: {},
  status: 200,
  body,
});
const redacted = (body: JsonValue, path?: string): unknown =>
  createRedaction(secret)(answer(body, path)).body;

const garminKeys =
  `calendarDate value typeKey key deviceName activityId uuid notes locationName fullName values
  startTimeLocal timestampGMT serialNumber userProfilePK status from timeZone imageUrl version averageHeartRate name
  firmwareVersion latestSpo2 connections`.split(/\s+/);
const keys = fc.oneof(fc.constantFrom(...garminKeys), fc.string({ minLength: 1, maxLength: 12 }));

/** A value with `inner` somewhere in it, under any names, at any depth. */
const around = (inner: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonValue> =>
  fc
    .tuple(fc.array(fc.option(keys, { nil: undefined }), { maxLength: 6 }), inner)
    .map(([path, value]) =>
      path.reduceRight<JsonValue>(
        (within, key) => (key === undefined ? [within, 1] : { [key]: within }),
        value,
      ),
    );

describe('what tells a person never comes out, under whatever name and however deep', () => {
  const canaries = [
    ['zofia.kowalska@example.com', 'zofia.kowalska'],
    ['Zofia Kowalska', 'Zofia', 'Kowalska'],
    ['call Zofia at zofia@example.com', 'Zofia', 'zofia@'],
    ['3f2a91bc-77aa-4c1e-9b0d-5c6d7e8f9a0b', '3f2a91bc'],
    ['1ABBDECBBEF240B793F13E8B5ECE8516'],
    ['3XF019283', '019283'],
    ['SIM0A1B2C3'],
    ['3418356072'],
    ['31.230416,121.473701', '31.2304'],
    ['31.230416, 121.473701', '31.2304'],
    ['Nanjing East Road 12, Shanghai', 'Nanjing'],
    ['Asia/Shanghai', 'Shanghai'],
    ['/gear/filterGear?userProfilePk=88776655', '88776655'],
    ['https://s3.amazonaws.com/garmin/zofia.png', 'zofia'],
    ['+86 138 0013 8000', '0013'],
    ['2026-01-07', '2026'],
    ['2026-01-07T16:12:14.898', '2026'],
    ['2026-01-07 16:12:14', '2026'],
    ['1767765600000', '17677656'],
  ].map(([canary = '', ...parts]) => [canary, parts] as const);

  test.each(canaries)('%s', (canary, parts) => {
    fc.assert(
      fc.property(secrets, around(fc.constant(canary)), (seed, body) => {
        // The digits of inventions may be any.
        const text = JSON.stringify(createRedaction(seed)(answer(body)).body).replace(
          /redacted-[\da-f]{8}/g,
          '',
        );
        for (const part of [canary, ...parts]) expect(text).not.toContain(part);
      }),
    );
  });

  test.each([3_418_356_072, 21_522_899_847, 1_767_765_600_000, 1_767_765_600, 88_776_655_443_322])(
    'the number %i',
    (canary) => {
      fc.assert(
        fc.property(secrets, around(fc.constant(canary)), (seed, body) => {
          expect(JSON.stringify(createRedaction(seed)(answer(body)).body)).not.toContain(String(canary));
        }),
      );
    },
  );

  test.each(canaries)('%s as the name of a member', (canary) => {
    fc.assert(
      fc.property(secrets, around(fc.constant({ [canary]: 60 })), (seed, body) => {
        expect(JSON.stringify(createRedaction(seed)(answer(body)).body)).not.toContain(canary);
      }),
    );
  });

  test.each([
    'startLatitude',
    'endLongitude',
    'lat',
    'lon',
    'latitude',
    'geo',
    'startCoordinates',
    'gpsPoint',
  ])('coordinates under %s', (key) => {
    const coordinate = fc.constant({ [key]: [31.230416, { x: 121.473701 }] });
    fc.assert(
      fc.property(around(coordinate), (body) => {
        const text = JSON.stringify(redacted(body));
        expect([text.includes('31.23'), text.includes('121.47')]).toEqual([false, false]);
      }),
    );
  });

  test('a line on the map, other people, and what the profile says of the body', () => {
    const body = {
      geoPolylineDTO: { polyline: [{ lat: 31.2, lon: 121.4 }], encodedPolyline: 'yzocFzynhVq' },
      players: [{ fullName: 'Zofia Kowalska', score: 3 }],
      userData: {
        birthDate: '1988-03-04',
        height: 183.4,
        weight: 71_234,
        gender: 'FEMALE',
        vo2MaxRunning: 51,
      },
    };
    expect(redacted(body, '/userprofile-service/userprofile/user-settings')).toEqual({
      geoPolylineDTO: null,
      players: [],
      userData: {
        birthDate: '1990-01-01',
        height: 170,
        weight: 70_000,
        gender: 'redacted',
        vo2MaxRunning: 51,
      },
    });
    expect(redacted({ latestWeight: { weight: 71_234 } })).toEqual({ latestWeight: { weight: 71_234 } });
  });

  test('a single word that is part of the person’s name, once the profile was read', () => {
    const redact = createRedaction(secret);
    redact(
      answer({ fullName: 'Zofia Kowalska', displayName: 'zk-runs' }, '/userprofile-service/socialProfile'),
    );
    const { body } = redact(answer({ typeKey: 'kowalska', other: 'ZOFIA', text: 'runs', sport: 'running' }));
    expect(body).toEqual({ typeKey: 'redacted', other: 'redacted', text: 'redacted', sport: 'running' });
  });

  test('in the path and in the question', () => {
    const { path, query } = createRedaction(secret)({
      path: '/usersummary-service/usersummary/daily/zofia%20k/4711',
      query: {
        calendarDate: '2026-01-07',
        userProfilePk: '4711',
        activityId: '21522899847',
        start: '0',
        status: 'active',
      },
      status: 200,
      body: null,
    });
    expect(path).toMatch(/^\/usersummary-service\/usersummary\/daily\/redacted-[\da-f]{8}\/\d{4}$/);
    expect(path).not.toContain('4711');
    expect(query).toEqual({
      calendarDate: addDays('2026-01-07', timeShiftOf(secret).days),
      userProfilePk: path.split('/').at(-1),
      activityId: expect.not.stringContaining('21522899847'),
      start: '0',
      status: 'active',
    });
  });

  test('in a question of GraphQL', () => {
    const { query } = createRedaction(secret)({
      path: '/graphql-gateway/graphql',
      query: { query: 'query{sleepScalar(date:"2026-01-07", displayName:"zofia")}' },
      status: 200,
      body: null,
    });
    const day = addDays('2026-01-07', timeShiftOf(secret).days);
    expect(query['query']).toMatch(
      new RegExp(`^query\\{sleepScalar\\(date:"${day}", displayName:"redacted-[\\da-f]{8}"\\)\\}$`),
    );
  });
});

describe('what stays the same', () => {
  const measured = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer({ min: -1000, max: 999_999 }),
    fc.integer({ min: -1_000_000, max: 1_000_000_000 }).map((value) => value / 1000 + 0),
    fc.constantFrom(
      'VERY_GOOD',
      'PRODUCTIVE_4',
      'SCOPE_DI_OAUTH_2_CLIENT_READ',
      'VO2MAX',
      'stand_up_paddleboarding_v2',
      'running',
      '',
    ),
  );
  const names = fc.constantFrom(
    'value',
    'averageHeartRate',
    'status',
    'typeKey',
    'values',
    'stressValuesArray',
    'sleepScores',
  );
  const { tree } = fc.letrec<{ tree: JsonValue }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      measured,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(names, tie('tree'), { maxKeys: 4 }),
    ),
  }));

  test('measurements, enumerations and the shape around them', () => {
    fc.assert(
      fc.property(secrets, tree, (seed, body) => {
        expect(createRedaction(seed)(answer(body)).body).toEqual(body);
      }),
    );
  });

  test('the same input is the same output in a recording, and another one in another recording', () => {
    const body = {
      userProfilePK: 104_516_149,
      uuid: '765c99e8-c15a-422d-8165-adf7740f2e1c',
      activityName: 'Lunch run',
    };
    fc.assert(
      fc.property(secrets, around(fc.oneof(fc.string(), fc.integer(), fc.constant(body))), (seed, value) => {
        const redact = createRedaction(seed);
        expect(redact(answer(value))).toEqual(redact(answer(value)));
        expect(createRedaction(seed)(answer(value))).toEqual(createRedaction(seed)(answer(value)));
      }),
    );
    expect(createRedaction(secretOf(1))(answer(body)).body).not.toEqual(
      createRedaction(secretOf(2))(answer(body)).body,
    );
  });

  test('ids keep their form, stay different from each other and are one another wherever they stand', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 1, max: 99_999_999_999 }), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(secrets, ids, (seed, list) => {
        const rows = list.map((deviceId) => ({ deviceId, userId: String(deviceId), map: { [deviceId]: 1 } }));
        const out = createRedaction(seed)(answer(rows)).body as typeof rows;
        expect(new Set(out.map(({ deviceId }) => deviceId)).size).toBe(list.length);
        for (const { deviceId, userId } of out) expect(userId).toBe(String(deviceId));
      }),
    );
    const { uuid, data } = redacted({
      uuid: '765c99e8-c15a-422d-8165-adf7740f2e1c',
      data: '1ABBDECBBEF240B793F13E8B5ECE8516',
    }) as Record<string, string>;
    expect(uuid).toMatch(/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/);
    expect(data).toMatch(/^[\dA-F]{32}$/);
  });

  test('each answer says how much was replaced, by kind', () => {
    const body = {
      userId: 104_516_149,
      fullName: 'Zofia Kowalska',
      calendarDate: '2026-01-07',
      startLatitude: 31.2,
      other: 'free text',
    };
    expect(createRedaction(secret)(answer(body)).replaced).toEqual({
      id: 1,
      name: 1,
      time: 2,
      place: 1,
      text: 1,
    });
  });

  test('two recorders make different inventions', () => {
    const made: JsonValue[] = [];
    for (let count = 0; count < 2; count += 1)
      createRecorder(({ body }) => made.push(body))(answer({ userProfilePK: 104_516_149 }));
    expect(made[0]).not.toEqual(made[1]);
  });
});
