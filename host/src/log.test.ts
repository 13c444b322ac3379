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
