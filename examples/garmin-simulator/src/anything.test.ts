import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerGraphql } from './answers/graphql.ts';
import { answerControl } from './control-endpoint.ts';
import type { Request } from './http.ts';
import { createPerson } from './person/person.ts';
import { viewAt } from './person/view.ts';
import type { Steering } from './steering.ts';

const ignore = (): void => undefined;
const steering: Steering = {
  requests: [],
  answer: () => ignore,
  forgetAnswers: ignore,
  forgetRequests: ignore,
  expireAccess: ignore,
  revoke: ignore,
  changePassword: ignore,
  sync: ignore,
};

const post = (path: string, text: string): Request => ({
  method: 'POST',
  path,
  target: path,
  query: {},
  headers: {},
  text,
  fields: {},
});

const anyBody = fc.oneof(fc.string(), fc.json());
const anyScript = fc.record(
  {
    match: fc.oneof(fc.string(), fc.record({ regex: fc.string() }), fc.jsonValue()),
    status: fc.oneof(fc.integer(), fc.jsonValue()),
    fault: fc.oneof(fc.constant('captcha'), fc.jsonValue()),
    times: fc.oneof(fc.nat(), fc.jsonValue()),
    drop: fc.oneof(fc.boolean(), fc.jsonValue()),
  },
  { requiredKeys: [] },
);

test('whatever is sent to the control endpoint is done or refused with a reason', () => {
  const paths = fc.constantFrom('/_simulator/answer', '/_simulator/password');
  const bodies = fc.oneof(
    anyBody,
    anyScript.map((script) => JSON.stringify(script)),
  );
  fc.assert(
    fc.property(paths, bodies, (path, text) => {
      const reply = answerControl(post(path, text), steering);
      if (reply?.status === 204) return;
      expect(reply?.status).toBe(400);
      expect(JSON.parse(String(reply?.bytes))).toMatchObject({
        message: expect.stringMatching(/Expected|Unknown/),
      });
    }),
  );
});

test('whatever is asked by GraphQL is answered or refused', () => {
  const features = { hrv: true, menstrual: false };
  const person = createPerson({ seed: 'demo', timeZone: 'UTC', email: 'runner@example.com', features });
  const nowMs = Date.UTC(2026, 2, 20);
  const view = viewAt(person, nowMs, nowMs);
  const anyQuery = fc.string().map((inside) => `query{trainingReadinessRangeScalar(${inside})}`);
  const bodies = fc.oneof(
    anyBody,
    anyQuery.map((query) => JSON.stringify({ query })),
  );
  fc.assert(
    fc.property(bodies, (text) => {
      const { status, body } = answerGraphql(text, view);
      expect(status === 400 || (status === 200 && body !== undefined)).toBe(true);
    }),
  );
});
