import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as connect from './connect.ts';
import { startEmbeddedPostgres } from './index.ts';

vi.mock(import('./connect.ts'), { spy: true });

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'otw-port-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test('a port that someone takes at the last moment is left to him, and a huge log begins anew', async () => {
  const directory = join(base, 'postgres');
  const options = { directory, timeZone: 'UTC', durable: false } as const;
  await (await startEmbeddedPostgres(options)).stop();
  writeFileSync(join(directory, 'postgres.log'), '');
  truncateSync(join(directory, 'postgres.log'), 11 * 1024 * 1024);

  const stranger = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const { port } = stranger.address() as AddressInfo;
  vi.mocked(connect.freePort).mockResolvedValueOnce(port);
  const told: string[] = [];
  const server = await startEmbeddedPostgres({ ...options, log: (message) => told.push(message) });
  await server.stop();
  await new Promise((resolve) => stranger.close(resolve));
  expect(told).toEqual([`port ${port} was taken meanwhile, trying another`]);
  expect(server.port).not.toBe(port);
  expect(statSync(join(directory, 'postgres.log')).size).toBeLessThan(1024 * 1024);
});
