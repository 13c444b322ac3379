import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { ConnectorError } from './errors.ts';
import { errorOfStatus, fetchJson, type FetchJsonOptions } from './fetch-json.ts';
import { startTestServer, type TestServer } from './testing/server.ts';

const steps = z.looseObject({ steps: z.int() });
const signal = new AbortController().signal;

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer();
});

afterEach(() => server.close());

type Asked = Partial<FetchJsonOptions<typeof steps>>;

function ask(options: Asked = {}): Promise<z.output<typeof steps>> {
  return fetchJson(`${server.origin}/steps?day=2026-02-26`, {
    what: 'the steps',
    schema: steps,
    signal,
    ...options,
  });
}

async function failure(options: Asked = {}): Promise<ConnectorError> {
  const error: unknown = await ask(options).catch((thrown: unknown) => thrown);
  if (ConnectorError.is(error)) return error;
  throw new Error(`Expected a ConnectorError, got ${String(error)}`);
}

describe('errorOfStatus', () => {
  test.each([
    [301, 'source'],
    [400, 'source'],
    [401, 'auth'],
    [403, 'auth'],
    [404, 'source'],
    [408, 'transient'],
    [409, 'source'],
    [410, 'out_of_range'],
    [422, 'source'],
    [425, 'transient'],
    [429, 'rate_limited'],
    [500, 'transient'],
    [503, 'transient'],
    [599, 'transient'],
  ])('%i is %s', (status, code) => {
    expect(errorOfStatus(status, 'the steps')).toMatchObject({ code, status, retryAfterMs: undefined });
  });

  test.each([
    ['120', 120_000],
    ['0', 0],
    ['-5', 0],
    ['1e99', 24 * 3_600_000],
    ['Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 11:00:00 GMT', 0],
    ['', undefined],
    ['soon', undefined],
  ])('a Retry-After of %j is a pause of %j ms', (text, retryAfterMs) => {
    vi.useFakeTimers({ now: Date.parse('2026-11-23T12:00:00Z'), toFake: ['Date'] });
    try {
      const headers = new Headers({ 'retry-after': text });
      expect(errorOfStatus(429, 'the steps', headers)).toMatchObject({ retryAfterMs });
    } finally {
      vi.useRealTimers();
    }
  });

  test('a Retry-After counts for rate limits alone', () => {
    expect(errorOfStatus(503, 'the steps', new Headers({ 'retry-after': '9' })).retryAfterMs).toBe(undefined);
  });
});

describe('fetchJson', () => {
  test('gives what the source said, also what the schema does not know', async () => {
    server.answer = () => ({ json: { steps: 7, walked: true } });
    expect(await ask({ headers: { authorization: 'Bearer k' } })).toEqual({ steps: 7, walked: true });
    expect(server.requests).toMatchObject([
      { method: 'GET', headers: { accept: 'application/json', authorization: 'Bearer k' } },
    ]);
  });

  test('sends JSON where there is some', async () => {
    server.answer = () => ({ json: { steps: 7 } });
    await ask({ method: 'POST', json: { day: '2026-02-26' } });
    expect(server.requests).toMatchObject([
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"day":"2026-02-26"}' },
    ]);
  });

  test.each([
    ['a refusal', { status: 403 }, 'auth'],
    ['a rate limit', { status: 429 }, 'rate_limited'],
    ['a reset connection', { how: 'reset' }, 'transient'],
    ['an answer that breaks off', { how: 'cut', text: '{"steps": 7}' }, 'transient'],
    ['no answer within the time', { how: 'hang' }, 'transient'],
    ['a page', { text: '<html>secret</html>' }, 'bad_data'],
    ['nothing', { text: '' }, 'bad_data'],
    ['another shape', { json: { steps: 'secret' } }, 'bad_data'],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }, 'source'],
  ] as const)('%s is told as such, and nothing of it is quoted', async (_, reply, code) => {
    server.answer = () => reply;
    const error = await failure({ timeoutMs: 'how' in reply && reply.how === 'hang' ? 200 : 30_000 });
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^Expected the steps/);
    expect(`${error.message} ${String(error.cause)}`).not.toMatch(/secret|day=/);
    expect(server.requests).toHaveLength(1);
  });

  test('says where an answer is another than the schema', async () => {
    server.answer = () => ({ json: { steps: 'many' } });
    expect((await failure()).message).toBe(
      'Expected the steps as its schema says, got another steps (invalid_type)',
    );
  });

  test('a source that is away is worth trying again', async () => {
    await server.close();
    expect((await failure()).code).toBe('transient');
    server = await startTestServer();
  });

  test('a header or an address that cannot be sent is a wrong configuration, and the key in it is not quoted', async () => {
    const header = await failure({ headers: { authorization: 'Bearer secret\n1' } });
    const address: unknown = await fetchJson('http://a b/', { what: 'it', schema: steps, signal }).catch(
      (thrown: unknown) => thrown,
    );
    expect([header.code, (address as ConnectorError).code]).toEqual(['config', 'config']);
    expect(`${header.message} ${String(header.cause)}`).not.toContain('secret');
  });

  test('stops with the reason of its signal, before and while it waits', async () => {
    server.answer = () => ({ how: 'hang' });
    const stop = new AbortController();
    const reason = new Error('no longer wanted');
    const arrived = server.next();
    const asked = ask({ signal: stop.signal });
    await arrived;
    stop.abort(reason);
    await expect(asked).rejects.toBe(reason);
    await expect(ask({ signal: stop.signal })).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
  });

  test('leaves no timer that keeps a process', async () => {
    server.answer = () => ({ json: { steps: 7 } });
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length).toBeLessThanOrEqual(
      before,
    );
    expect(getEventListeners(signal, 'abort').length).toBeLessThan(5);
  });
});
