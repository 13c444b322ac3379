import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Probed } from './live-prober.ts';
import { startOtw, temporaryFolder, type Running } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

// More than a host can do, from another process; what it answers meanwhile, and how it is afterwards.
const folder = temporaryFolder();
let database: TestDatabase;
let host: Running;
let address: string;
let baseMb = 0;
let baseHeldMb = 0;

/** Megabytes the host's process holds; 0 where the system does not say. */
function residentMb(): number {
  const path = `/proc/${host.process.pid}/status`;
  if (!existsSync(path)) return 0;
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(path, 'utf8'))?.[1]) / 1024);
}

/** Resolves when the host has thrown away what nobody holds. */
async function collectGarbage(): Promise<void> {
  // The first one frees what owns memory outside of the heap, the second what was behind that.
  for (let n = 0; n < 3; n += 1) {
    host.process.kill('SIGUSR2');
    await delay(300);
  }
}

/** Megabytes that are in use within the host's process, by what it says itself. */
async function heldMb(): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const bytes = [...text.matchAll(/^nodejs_(?:heap_size_used|external_memory)_bytes (\d+)/gm)];
  expect(bytes).toHaveLength(2);
  return Math.round(bytes.reduce((sum, [, value]) => sum + Number(value), 0) / 1024 ** 2);
}

const agent = new Agent({ keepAlive: true, maxSockets: 200 });

function post(contract: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    request(`${address}/v1/ingest/${contract}`, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', reject)
      .end(body);
  });
}

let made = 0;
function signal(): string {
  made += 1;
  return JSON.stringify({
    source_id: 'ios_manual',
    external_id: `overload-${made}`,
    occurred_at: '2026-02-26T10:00:00+08:00',
    payload: { value: made % 100 },
  });
}

function largeEnvelope(index: number): string {
  return JSON.stringify({
    source_id: 'garmin_connect_health',
    external_id: `garmin::0123456789ab::sleep::2026-02-26::${index.toString(16).padStart(16, '0')}`,
    occurred_at: '2026-02-26T00:00:00+08:00',
    payload: {
      connector: 'garmin_connect',
      connector_version: '1',
      account_ref: '0123456789ab',
      metric_type: 'sleep',
      metric_date: '2026-02-26',
      timezone: 'Asia/Shanghai',
      fetched_at: '2026-02-26T10:00:00+08:00',
      data: { text: 'x'.repeat(1_000_000) },
    },
  });
}

beforeAll(async () => {
  database = await createMigratedDatabase();
  host = startOtw(['start'], {
    env: {
      DATABASE_URL: database.url,
      OTW_DATA_DIR: folder.path,
      // Otherwise V8 takes its time, and what is garbage could not be told from what is held.
      NODE_OPTIONS: `--expose-gc --import "data:text/javascript,process.on('SIGUSR2',()=>gc())"`,
    },
  });
  address = (await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';
  // What is loaded with the first request belongs to the base.
  for (let n = 0; n < 50; n += 1) await post('manual-signal', signal());
  expect(await post('connector-health', largeEnvelope(1_000_000))).toBe(200);
  await collectGarbage();
  baseMb = residentMb();
  baseHeldMb = await heldMb();
});

afterAll(async () => {
  agent.destroy();
  host?.process.kill('SIGKILL');
  await host?.finished;
  await database?.drop();
  folder.remove();
});

/** Runs the load while health/live is asked, and tells how that went. */
async function probing<T>(what: string, load: () => Promise<T>): Promise<{ result: T; live: Probed }> {
  const path = join(import.meta.dirname, 'live-prober.ts');
  const prober = spawn(process.execPath, [path, `${address}/v1/health/live`, String(host.process.pid)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  prober.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const result = await load();
  prober.stdin.end();
  await once(prober, 'close');
  const live = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Probed;
  console.log(
    `${what}: health/live p50 ${live.p50} ms, p99 ${live.p99} ms (${live.wallP99} ms with the time other programs ` +
      `had the processors), ${live.count} asked; memory ${residentMb()} MB, before ${baseMb} MB`,
  );
  return { result, live };
}

function counted(statuses: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/**
 * health/live is answered within 100 ms at p99. Only a machine that is free can show that: where other programs take
 * the processors for most of the time, ten times as long is allowed.
 */
async function stayedLive<T>(what: string, load: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const { result, live } = await probing(what, load);
    expect(live.failed).toBe(0);
    const allowed = live.wallP99 > 2 * live.p99 ? 1000 : 100;
    if (live.p99 < allowed) return result;
    if (attempt === 3) expect(live.p99).toBeLessThan(allowed);
  }
}

const answers = ['200', '409', '429', '503'];

test('2,000 requests a second are answered or refused, and health/live is there', async () => {
  const statuses = await stayedLive('2,000 requests/s for 3 s', async () => {
    const asked: Promise<number>[] = [];
    const from = performance.now();
    while (asked.length < 6_000) {
      const due = Math.min(6_000, (performance.now() - from) * 2);
      while (asked.length < due) asked.push(post('manual-signal', signal()));
      await delay(5);
    }
    return Promise.all(asked);
  });
  console.log('answers', counted(statuses));
  expect(answers).toEqual(expect.arrayContaining(Object.keys(counted(statuses))));
});

test('100 bodies of 1 MB at once are stored or refused, and health/live is there', async () => {
  let first = 0;
  const statuses = await stayedLive('100 bodies of 1 MB', () => {
    first += 100;
    return Promise.all(
      Array.from({ length: 100 }, (_, n) => post('connector-health', largeEnvelope(first + n))),
    );
  });
  console.log('answers', counted(statuses));
  expect(answers).toEqual(expect.arrayContaining(Object.keys(counted(statuses))));
});

test('thousands of connections that never finish their headers keep nobody out', async () => {
  const wanted = 3_000;
  const result = await stayedLive(`${wanted} slow connections`, async () => {
    const { port } = new URL(address);
    const sockets: Socket[] = [];
    let closed = 0;
    let failed = 0;
    for (let n = 0; n < wanted; n += 1) {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: l'));
      socket.on('error', () => (failed += 1)).on('close', () => (closed += 1));
      sockets.push(socket);
      if (n % 100 === 99) await delay(20);
    }
    const status = await post('manual-signal', signal());
    const isClosed = () => expect(sockets.length - closed).toBeLessThanOrEqual(256);
    await vi.waitFor(isClosed, { timeout: 15_000, interval: 50 });
    const left = sockets.length - closed;
    for (const socket of sockets) socket.destroy();
    return { left, failed, status };
  });
  console.log('left open of them', result);
  expect(result.status).toBe(200);
  expect(result.left).toBeLessThanOrEqual(256);
});

test('afterwards the host works, and nothing of all that is kept in memory', async () => {
  expect(await post('manual-signal', signal())).toBe(200);
  const resident = residentMb();
  await collectGarbage();
  const held = await heldMb();
  console.log(
    `memory: held ${baseHeldMb} MB at first, ${held} MB after; resident ${baseMb} and ${resident} MB`,
  );
  expect(held).toBeLessThan(baseHeldMb + 30);
  expect(resident).toBeLessThan(baseMb + 800);
  expect(host.process.exitCode).toBeNull();
});
