import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { createLog } from '../log.ts';
import { createRedactor } from '../redact.ts';
import { errorAnswerer } from './api-error.ts';
import { placeOf, readJsonBody } from './body.ts';
import { beginExchange } from './exchange.ts';
import { sendJson } from './send.ts';

const body = z.strictObject({ from: z.string().optional(), list: z.array(z.int()).optional() });
const server = createServer();
let url = '';

beforeAll(async () => {
  const refuse = errorAnswerer(
    createLog({ redactor: createRedactor(), level: 'silent', pretty: false, write: () => undefined }),
  );
  server.on('request', async (request, response) => {
    beginExchange(request, response);
    try {
      const schema = request.url === '/needed' ? body : body.optional();
      sendJson(response, 200, { read: (await readJsonBody(request, schema)) ?? 'nothing' });
    } catch (error) {
      refuse(error, request, response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

async function post(path: string, text?: string, type = 'application/json'): Promise<[number, unknown]> {
  const init = {
    method: 'POST',
    ...(text !== undefined && { headers: { 'content-type': type }, body: text }),
  };
  const response = await fetch(`${url}${path}`, init);
  const { read, message } = (await response.json()) as { read?: unknown; message?: unknown };
  return [response.status, read ?? message];
}

test('a body that fits is what the schema makes of it', async () => {
  expect(await post('/needed', '{"from":"2026-02-26","list":[1]}')).toEqual([
    200,
    { from: '2026-02-26', list: [1] },
  ]);
  expect(await post('/optional', '{}')).toEqual([200, {}]);
});

test('no body is taken where the schema allows it', async () => {
  expect(await post('/optional')).toEqual([200, 'nothing']);
  expect((await post('/needed'))[0]).toBe(415);
  expect(await post('/needed', '')).toEqual([400, 'Expected a body, found an empty one']);
});

test.each<[string, number, RegExp]>([
  ['{', 400, /JSON/],
  ['{"form":1}', 422, /^body: Expected no field "form"$/],
  ['{"from":1}', 422, /^from: /],
  ['{"list":[1,"2"]}', 422, /^list\[1\]: /],
  ['{"from":"a","from":"b"}', 422, /^from: .*twice/],
  ['{"__proto__":{}}', 422, /__proto__/],
  [`{"list":${'['.repeat(20)}${']'.repeat(20)}}`, 422, /16 levels/],
  [JSON.stringify({ from: 'x'.repeat(70_000) }), 413, /65536 bytes/],
])('%s is refused', async (text, status, message) => {
  expect(await post('/needed', text)).toEqual([status, expect.stringMatching(message)]);
});

test('a body of another media type is refused', async () => {
  expect(await post('/needed', '{}', 'text/plain')).toEqual([
    415,
    expect.stringMatching(/application\/json/),
  ]);
});

test('a place is written as programs write it, with names that were sent quoted and cut', () => {
  expect(placeOf(['payload', 'data', 3, 'a b'])).toBe('payload.data[3]["a b"]');
  expect(placeOf([])).toBe('body');
  expect(placeOf([0, 'x'])).toBe('[0].x');
  expect(placeOf(['n'.repeat(100), '\n'])).toBe(`["${'n'.repeat(64)}…"]["\\n"]`);
  expect(placeOf(Array<string>(60).fill('a'))).toBe(`${Array<string>(8).fill('a').join('.')}…`);
});
