import { expect, test } from 'vitest';
import { timeZoneName } from './time-zone.ts';

test('every zone of the runtime is found in any case', () => {
  for (const name of Intl.supportedValuesOf('timeZone')) {
    expect(timeZoneName(name)).toBe(name);
    expect(timeZoneName(name.toLowerCase())).toBe(name);
    expect(timeZoneName(name.toUpperCase())).toBe(name);
  }
});

const olderNames = [
  'Asia/Calcutta Asia/Kolkata Asia/Chongqing Asia/Ho_Chi_Minh US/Eastern US/East-Indiana Europe/Kiev Europe/Kyiv',
  'America/Knox_IN America/Argentina/ComodRivadavia America/Port-au-Prince Australia/NSW Brazil/DeNoronha',
  'UTC GMT Etc/UTC Etc/GMT Etc/GMT+8',
];

test.each(olderNames.join(' ').split(' '))('%s keeps its name, and has one spelling', (name) => {
  expect(timeZoneName(name)).toBe(name);
  expect(timeZoneName(name.toLowerCase())).toBe(name);
});

const abbreviations = 'CST EST EST5EDT PRC Zulu Z +08:00 UTC+8 GMT+8 SystemV/EST5'.split(' ');

test.each([...abbreviations, 'Mars/Olympus', 'Asia/', '/Shanghai', 'Asia/Shang hai', 'Asia/../Shanghai', ''])(
  '%j is not the name of a zone',
  (text) => {
    expect(timeZoneName(text)).toBeUndefined();
  },
);
