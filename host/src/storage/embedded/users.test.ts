import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startEmbeddedPostgres } from './index.ts';
import { ask, startHost, whyNot } from '../../../test/embedded-hosts.ts';

const nobody = { uid: 65534, gid: 65534 };
const nameless = { uid: 54321, gid: 54321 };
const hindrance = whyNot(nobody);
if (hindrance !== undefined) console.log(`skipped: the launcher as other users: ${hindrance}`);

describe.skipIf(hindrance !== undefined)('the launcher as an ordinary user', () => {
  let base: string;
  let directory: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'otw-users-'));
    directory = join(base, 'postgres');
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  test('runs everything as that user', async () => {
    chownSync(base, nobody.uid, nobody.gid);
    const host = startHost({ directory, durable: false }, nobody);
    const { url, pid } = await host.next('ready');
    await ask(url, 'CREATE TABLE kept AS SELECT 1 AS value');
    expect(statSync(`/proc/${pid}`).uid).toBe(nobody.uid);
    expect(statSync(join(directory, 'password')).uid).toBe(nobody.uid);
    const ended = once(host.child, 'exit');
    host.child.kill('SIGTERM');
    await host.next('stopped');
    await ended;

    // And then once as root, which must not take it away from him.
    const server = await startEmbeddedPostgres({ directory, timeZone: 'UTC', durable: false });
    expect(await ask(server.url, 'SELECT value FROM kept')).toEqual({ value: 1 });
    await server.stop();
    const again = startHost({ directory, durable: false }, nobody);
    await again.next('ready');
    again.child.kill('SIGTERM');
    await again.next('stopped');
  });

  test("refuses another user's database with what to do", async () => {
    const server = await startEmbeddedPostgres({ directory, timeZone: 'UTC', durable: false });
    await server.stop();
    chmodSync(base, 0o755);
    chmodSync(directory, 0o755);
    const host = startHost({ directory, durable: false }, nameless);
    expect(await host.next('error')).toMatchObject({
      code: 'permission',
      message: expect.stringMatching(/run as that user|run as the user/),
    });
  });

  test('says what to do for a user without a name', async () => {
    chownSync(base, nameless.uid, nameless.gid);
    const host = startHost({ directory, durable: false }, nameless);
    expect(await host.next('error')).toMatchObject({
      code: 'no_user_name',
      message: expect.stringContaining('set DATABASE_URL'),
    });
  });
});
