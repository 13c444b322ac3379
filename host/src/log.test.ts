import { expect, test } from 'vitest';
import { createLog } from './log.ts';
import { createRedactor } from './redact.ts';

function logged(secrets: readonly string[], write: (log: ReturnType<typeof createLog>) => void): string[] {
  const redactor = createRedactor();
  redactor.add(secrets);
  const lines: string[] = [];
  write(createLog({ redactor, level: 'debug', pretty: false, write: (line) => lines.push(line) }));
  return lines;
}

test('a secret is taken out wherever it stands, by value and by path', () => {
  const fields = { url: 'https://x/?p=correct-horse', list: ['a correct-horse b'], password: 'unknown' };
  const [line = ''] = logged(['correct-horse'], (log) => log.info(fields, 'with correct-horse'));
  expect(line).not.toContain('correct-horse');
  expect(JSON.parse(line)).toMatchObject({
    msg: 'with [redacted]',
    password: '[redacted]',
    list: ['a [redacted] b'],
  });
});

test('a secret of digits, or one that looks like JSON, leaves the line whole', () => {
  const time = String(Date.now()).slice(0, 4);
  const [line = ''] = logged([time, 'true', '"msg"', 'level'], (log) =>
    log.info({ flag: true }, 'still here'),
  );
  expect(JSON.parse(line)).toMatchObject({ level: 30, flag: true, msg: 'still here' });
});

test('a secret with quotes and line breaks is found in its JSON form too', () => {
  const secret = 'two\nlines "quoted"';
  const [line = ''] = logged([secret], (log) => log.info({ inner: JSON.stringify({ secret }) }, 'x'));
  expect(line).not.toContain('quoted');
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test.each(['', 'a', 'ann1', 'bob', 'me@x.org'])(
  'a secret is taken out of Basic authorisation behind the name "%s", with every letter that holds a part of it',
  (user) => {
    const redactor = createRedactor();
    const secrets = ['p1n?', 'correct-horse-1', '\u{1f40e}\u00ff?>~ of a horse'];
    redactor.add(secrets);
    for (const secret of secrets)
      for (const behind of ['', ':', ':more']) {
        const header = base64(`${user}:${secret}${behind}`);
        for (const text of [header, header.replaceAll('+', '-').replaceAll('/', '_')]) {
          const [name = '', rest] = redactor
            .redact(`Basic ${text}`)
            .slice('Basic '.length)
            .split('[redacted]');
          expect(rest).toMatch(/^[\w+/=-]*$/);
          expect(`${user}:`).toContain(Buffer.from(name, 'base64').toString());
          const letters = header.replaceAll('=', '').length;
          const ofSecret = base64(`${user}:${secret}`).replaceAll('=', '').length;
          expect(rest?.replaceAll('=', '').length).toBeLessThanOrEqual(letters - ofSecret);
        }
      }
  },
);

test('base64 of something else stays as it is', () => {
  const redactor = createRedactor();
  redactor.add(['correct-horse-1', '4711']);
  const text = `${base64('ann:another-horse-2')} ${base64('0815')} correct horse`;
  expect(redactor.redact(text)).toBe(text);
});

test('a secret that begins as another one does, or holds it, is taken out whole', () => {
  const redactor = createRedactor();
  redactor.add(['eyJh-first', 'eyJh-second', 'eyJh-second-and-more']);
  expect(redactor.redact('eyJh-second-and-more eyJh-first eyJh-other eyJh-second')).toBe(
    '[redacted] [redacted] eyJh-other [redacted]',
  );
});

test('of a session tokens alone are taken out: not its reasons, times, addresses, names and digests', () => {
  const readable = {
    dead: 'Garmin ended it: npx otw login garmin',
    account: '8c2a47d3bdb8',
    verified_at: '2026-03-18T04:00:00.000Z',
    service: 'https://connect.example/app',
    client: 'GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2',
  };
  const cookie = 'ticket-granting-0123456789';
  const inAddress = 'ST-0123456-abcdefghij';
  const redactor = createRedactor();
  redactor.addAllIn([
    readable,
    { access: 'an.access-token_0123', cookies: [`a=1; CASTGC=${cookie}`] },
    `https://connect.example/app?ticket=${inAddress}`,
  ]);
  const clean = JSON.stringify(readable);
  expect(redactor.redact(clean)).toBe(clean);
  expect(redactor.redact(`an.access-token_0123 ${cookie} ${inAddress}`)).toBe(
    '[redacted] [redacted] [redacted]',
  );
});
