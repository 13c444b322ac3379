import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { createBus, type Bus } from '@on-the-way/core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEventFeed } from '../src/http/event-feed.ts';
import { listen, type ApiServer } from '../src/http/server.ts';
import { scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, type TestHost } from './test-host.ts';

// GET /v1/events and GET /metrics over a real server: what runs tell while they work, and what is counted.
let source: ScriptedSource;
let made: TestHost;
let server: ApiServer;
beforeAll(async () => {
  source = await startScriptedSource();
  const config = { origin: source.origin, datasets: { steps: {} } };
  made = await createTestHost({
    connection: { plugin: scriptedPlugin, config, windowDays: 2, backfillDays: 2 },
  });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close();
  await made.close();
  await source.close();
});

interface Told {
  readonly id: number;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Reader {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
  readonly events: readonly Told[];
  /** Resolves with the event once it was told. */
  until(event: string): Promise<Told>;
  close(): void;
}

function parse(block: string): Told | undefined {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
  const event = field('event');
  if (event === undefined) return undefined;
  const data = JSON.parse(field('data') ?? '') as Told['data'];
  return { id: Number(field('id')), event, data };
}

/** Opens a stream; resolves once it is answered. */
async function open(path = '/v1/events', headers: Record<string, string> = {}): Promise<Reader> {
  const sent = request(`${server.url}${path}`, { headers }).end();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject);
  });
  sent.on('error', () => undefined);
  response.on('error', () => undefined);
  const events: Told[] = [];
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop() ?? '';
    events.push(...blocks.flatMap((block) => parse(block) ?? []));
  });
  const reader: Reader = {
    request: sent,
    response,
    events,
    until: (event) =>
      expect
        .poll(() => events.find((told) => told.event === event))
        .toBeDefined()
        .then(() => {
          const found = events.find((told) => told.event === event);
          if (!found) throw new Error(`Expected ${event}`);
          return found;
        }),
    close: () => sent.destroy(),
  };
  readers.add(reader);
  return reader;
}

const readers = new Set<Reader>();
afterEach(async () => {
  for (const reader of readers) reader.close();
  readers.clear();
  await expect.poll(openStreams).toBe(0);
});

const openStreams = () => made.host.feed.size();

/** Something that happens to a connection. */
function tell(connection: string, dataset = 'steps'): void {
  made.host.bus.emit('breaker:opened', { connection, dataset });
}

describe('GET /v1/events', () => {
  test('tells a run from its start over each slice to its end, with ids that rise', async () => {
    const reader = await open();
    const summary = await made.run();
    const ended = await reader.until('run:finished');
    expect(reader.response.headers['content-type']).toMatch(/^text\/event-stream/);
    expect(reader.events.map(({ event }) => event)).toEqual([
      'run:started',
      'slice:finished',
      'slice:finished',
      'run:finished',
    ]);
    const about = { run_id: summary.runId, connection: 'garmin' };
    expect(reader.events[0]?.data).toMatchObject({ ...about, slices: 2 });
    expect(reader.events[1]?.data).toMatchObject({
      ...about,
      dataset: 'steps',
      counts: { ok: 1, failed: 0, written: 1 },
      error: null,
    });
    expect(ended.data).toMatchObject({ ...about, status: 'succeeded', error: null });
    expect(JSON.stringify(ended.data)).toMatch(/"finished_at":"[^"]+\+08:00"/);
    const ids = reader.events.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(new Set(ids).size).toBe(4);
  });

  test('?connection= leaves out the others, and a name that is not configured is 404', async () => {
    const reader = await open('/v1/events?connection=garmin');
    tell('another');
    tell('garmin');
    await reader.until('breaker:opened');
    expect(reader.events.map(({ data }) => data['connection'])).toEqual(['garmin']);
    const unknown = await open('/v1/events?connection=nobody');
    expect(unknown.response.statusCode).toBe(404);
  });

  test('a client that comes back with Last-Event-ID gets what it missed, once', async () => {
    const first = await open();
    tell('garmin', 'before');
    const { id } = await first.until('breaker:opened');
    first.close();
    await expect.poll(openStreams).toBe(0);
    tell('garmin', 'missed 1');
    tell('garmin', 'missed 2');
    const second = await open('/v1/events', { 'last-event-id': String(id) });
    tell('garmin', 'after');
    await expect.poll(() => second.events.length).toBe(3);
    expect(second.events.map(({ data }) => data['dataset'])).toEqual(['missed 1', 'missed 2', 'after']);
  });

  test('one that was away for more than is remembered is told so', async () => {
    const reader = await open('/v1/events', { 'last-event-id': '1' });
    await reader.until('missed');
    expect(reader.events[0]?.event).toBe('missed');
  });

  test('secrets are taken out of what is told', async () => {
    const reader = await open();
    const message = 'the password simulated was refused';
    made.host.bus.emit('slice:retry', {
      connection: 'garmin',
      dataset: 'steps',
      attempt: 1,
      delayMs: 1,
      message,
    });
    const { data } = await reader.until('slice:retry');
    expect(data['message']).toBe('the password [redacted] was refused');
  });

  test('a reader that reads nothing is dropped, and the others go on', async () => {
    const slow = await open();
    const quick = await open();
    slow.response.removeAllListeners('data').pause();
    const padding = 'x'.repeat(100_000);
    const dropped = new Promise((resolve) => slow.request.once('close', resolve));
    await expect
      .poll(
        () => {
          tell('garmin', padding);
          return openStreams();
        },
        { interval: 2, timeout: 20_000 },
      )
      .toBe(1);
    tell('garmin', 'last');
    await expect.poll(() => quick.events.at(-1)?.data['dataset']).toBe('last');
    slow.close();
    await dropped;
  });

  test('the 65th stream is refused with 503 OVERLOADED', async () => {
    const all = await Promise.all(Array.from({ length: 64 }, () => open()));
    const refused = await fetch(`${server.url}/v1/events`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'OVERLOADED' });
    for (const reader of all) reader.close();
    await expect.poll(openStreams).toBe(0);
    expect((await open()).response.statusCode).toBe(200);
  });

  test('HEAD has an end, and an id that is none is refused', async () => {
    expect((await fetch(`${server.url}/v1/events`, { method: 'HEAD' })).status).toBe(200);
    const refused = await fetch(`${server.url}/v1/events`, { headers: { 'last-event-id': 'abc' } });
    expect(refused.status).toBe(422);
  });

  test('a server that closes ends its streams', async () => {
    const other = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
    const response = await fetch(`${other.url}/v1/events`);
    const ended = response.text().catch(() => 'cut off');
    await other.close();
    await ended;
    await expect.poll(openStreams).toBe(0);
  });
});

describe('the feed', () => {
  const feedOf = (bus: Bus) =>
    createEventFeed({ bus, startedAt: 1000, timeZone: 'Asia/Shanghai', clean: (text) => text });

  test('remembers the last thousand, and says when that is not all', () => {
    const bus = createBus();
    const feed = feedOf(bus);
    for (let made = 0; made < 2500; made += 1) bus.emit('breaker:opened', { connection: 'a', dataset: 'b' });
    const all = feed.since(0);
    expect([all.events.length, all.complete]).toEqual([1000, false]);
    const [oldest] = all.events;
    expect(feed.since((oldest?.id ?? 0) - 1).complete).toBe(true);
    expect(feed.since(all.events.at(-1)?.id ?? 0)).toEqual({ events: [], complete: true });
  });

  test('a feed made later gives higher ids', () => {
    const before = createBus();
    const earlier = feedOf(before);
    before.emit('breaker:opened', { connection: 'a', dataset: 'b' });
    const after = createBus();
    const later = createEventFeed({ bus: after, startedAt: 2000, timeZone: 'UTC', clean: (text) => text });
    after.emit('breaker:opened', { connection: 'a', dataset: 'b' });
    const idOf = (feed: typeof later) => feed.since(0).events.at(-1)?.id ?? 0;
    expect(idOf(later)).toBeGreaterThan(idOf(earlier));
    expect(later.since(idOf(earlier)).complete).toBe(false);
  });
});

describe('GET /metrics', () => {
  const scrape = async () => (await fetch(`${server.url}/metrics`)).text();
  const value = (text: string, line: string) => {
    const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `));
    return found === undefined ? undefined : Number(found.slice(line.length + 1));
  };

  test('counts runs, slices, events and requests to the source', async () => {
    const before = await scrape();
    source.answer = (name, window) =>
      window.from === '' || name === 'marks' ? {} : { error: { code: 'bad_data', message: 'broken' } };
    await made.run();
    const after = await scrape();
    const grew = (line: string) => (value(after, line) ?? 0) - (value(before, line) ?? 0);
    expect(grew('otw_runs_total{connection="garmin",status="partial"}')).toBe(1);
    expect(grew('otw_slices_total{connection="garmin",outcome="failed"}')).toBe(2);
    expect(grew('otw_source_requests_total{connection="garmin"}')).toBeGreaterThan(2);
    expect(grew('otw_run_duration_seconds_count{connection="garmin"}')).toBe(1);
    expect(value(after, 'otw_events_total{connection="garmin",outcome="written"}')).toBe(2);
    const now = Date.now() / 1000;
    const last = value(after, 'otw_connection_last_success_timestamp_seconds{connection="garmin"}');
    expect(last).toBeGreaterThan(now - 600);
    expect(last).toBeLessThanOrEqual(now);
  });

  test('counts what is posted, each item of a batch for itself, and what was written together', async () => {
    const event = (id: string) => ({
      source_id: 'ios_manual',
      external_id: id,
      occurred_at: '2026-02-26T08:30:00+08:00',
      payload: { value: 1 },
    });
    const post = (path: string, body: unknown) =>
      fetch(`${server.url}/v1/ingest/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await post('manual-signal/batch', [event('a'), event('b'), { not: 'one' }]);
    await post('no-such-contract', {});
    const text = await scrape();
    const total = (labels: string) => value(text, `otw_ingest_requests_total{${labels}}`);
    expect(total('contract="manual-signal",code="ok"')).toBe(2);
    expect(total('contract="manual-signal",code="INVALID_ARGUMENT"')).toBe(1);
    expect(total('contract="unknown",code="NOT_FOUND"')).toBe(1);
    expect(value(text, 'otw_ingest_duration_seconds_count{contract="manual-signal"}')).toBe(3);
    expect(value(text, 'otw_ingest_group_size_sum')).toBe(2);
    expect(value(text, 'otw_ingest_group_size_count')).toBe(1);
  });

  test('names routes by their templates and never by what was sent', async () => {
    await fetch(`${server.url}/v1/runs/secret-word`);
    await fetch(`${server.url}/secret-word`);
    const text = await scrape();
    expect(value(text, 'otw_http_requests_total{method="GET",route="/v1/runs/{id}",status="404"}')).toBe(1);
    expect(value(text, 'otw_http_requests_total{method="GET",route="none",status="404"}')).toBe(1);
    expect(text).not.toContain('secret-word');
  });

  test('a slice that was not asked for is none of those that failed', async () => {
    const slice = {
      dataset: 'steps',
      window: { from: '2026-02-01', to: '2026-02-02' },
      reason: 'gap',
    } as const;
    const none = { rowsWritten: 0, rowsUnchanged: 0, conflicts: 0 };
    for (const attempts of [0, 1]) {
      const outcome = { dataset: 'steps', day: '2026-02-01', outcome: 'failed', attempts, ...none } as const;
      made.host.bus.emit('slice:finished', { runId: 'r', connection: 'told', slice, outcomes: [outcome] });
    }
    expect(value(await scrape(), 'otw_slices_total{connection="told",outcome="failed"}')).toBe(1);
  });

  test('a breaker is open until its run is over', async () => {
    made.host.bus.emit('breaker:opened', { connection: 'garmin', dataset: 'steps' });
    const line = 'otw_breaker_open{connection="garmin",dataset="steps"}';
    expect(value(await scrape(), line)).toBe(1);
    const shown = async () => (await fetch(`${server.url}/v1/connections/garmin`)).json();
    expect(await shown()).toMatchObject({ connection: { open_breakers: ['steps'] } });
    await made.run();
    expect(value(await scrape(), line)).toBe(0);
    expect(await shown()).toMatchObject({ connection: { open_breakers: [] } });
  });
});
