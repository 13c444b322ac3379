import { createServer, request as ask } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { apiErrorOf } from './api-error.ts';
import { beginExchange } from './exchange.ts';
import { defineRoute } from './route.ts';
import { sendJson } from './send.ts';
import { directOf, routerOf } from './serve.ts';

const route = defineRoute({
  method: 'post',
  path: '/v1/things/{name}',
  summary: 'A thing',
  scope: 'ingest',
  isDirect: true,
  params: z.strictObject({ name: z.string() }),
  answers: {},
  handle: ({ params: { name } }) => ({ status: 201, body: { name } }),
});
let passed = 0;
const server = createServer();

beforeAll(async () => {
  const guard = async (): Promise<void> => undefined;
  const app = express();
  app.use((_request, _response, next) => {
    passed += 1;
    next();
  });
  app.use(routerOf([route], guard));
  app.use((request: express.Request, response: express.Response) => {
    sendJson(response, 404, { asked: request.path });
  });
  const refuse = (error: unknown, response: Parameters<typeof sendJson>[0]): void =>
    sendJson(response, apiErrorOf(error).status, {});
  app.use((error: unknown, _q: express.Request, response: express.Response, _n: express.NextFunction) => {
    refuse(error, response);
  });
  const serve = directOf([route], {
    guard,
    refuse: (error, _request, response) => refuse(error, response),
    otherwise: app,
  });
  server.on('request', (request, response) => {
    beginExchange(request, response);
    serve(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void server.close());

/** The answer's status and text, and whether it came from express. */
function answerTo(method: string, path: string): Promise<[number, string, boolean]> {
  const { port } = server.address() as AddressInfo;
  const before = passed;
  return new Promise((resolve, reject) => {
    ask({ host: '127.0.0.1', port, method, path, agent: false }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      resolve([response.statusCode ?? 0, text, passed > before]);
    })
      .on('error', reject)
      .end();
  });
}

test.each([
  ['POST', '/v1/things/a-b_1', 201, false],
  ['POST', '/v1/things/%61-b_1', 201, true],
  ['POST', 'http://elsewhere/v1/things/a-b_1', 201, true],
  ['POST', '/v1/things/a-b_1?', 201, true],
  ['POST', '/v1/things/a-b_1?x=1', 422, true],
  ['POST', '/v1/things/%zz', 400, true],
  ['POST', '/v1/things/a/', 404, true],
  ['POST', '/V1/things/a', 404, true],
  ['PUT', '/v1/things/a', 404, true],
])('%s %s is answered with %i by the same rules, through express: %s', async (method, path, status, slow) => {
  const [found, text, isExpress] = await answerTo(method, path);
  expect([found, isExpress]).toEqual([status, slow]);
  if (status === 201) expect(text).toBe('{"name":"a-b_1"}');
});
