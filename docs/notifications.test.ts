import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { headersOf } from '../host/src/notify/signature.ts';
import { readPage } from './markdown.ts';

const page = readPage('docs/notifications.md');

test('the example of notifications.md tells a genuine notification from others', async () => {
  const example = page.fences.find(({ language }) => language === 'ts')?.text ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'otw-docs-'));
  try {
    const path = join(folder, 'genuine.ts');
    writeFileSync(path, example);
    const { isGenuine } = (await import(path)) as {
      isGenuine: (headers: Headers, body: string, secret: string) => boolean;
    };
    const secret = 'a-secret-of-the-test';
    const message = { id: 'one', body: '{"to":"ok"}', sentAt: Date.now() };
    const headers = new Headers(headersOf(message, secret));
    expect(isGenuine(headers, message.body, secret)).toBe(true);
    expect(isGenuine(headers, '{"to":"ok" }', secret)).toBe(false);
    expect(isGenuine(headers, message.body, 'another-secret')).toBe(false);
    const old = { ...message, sentAt: Date.now() - 600_000 };
    expect(isGenuine(new Headers(headersOf(old, secret)), message.body, secret)).toBe(false);
    expect(isGenuine(new Headers(headersOf(message, undefined)), message.body, secret)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
