import { setTimeout } from 'node:timers/promises';
import type { JsonValue } from '@on-the-way/sdk';
import { expect } from 'vitest';
import { listen } from '../src/http/server.ts';
import { createTestHost, type TestHost, type TestHostOptions } from './test-host.ts';

/** What the API answered. */
export interface Answered {
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, JsonValue>>;
}

/** A host with its API on a port of its own. */
export interface ContractApi extends TestHost {
  readonly url: string;
  /** Every answer so far. */
  readonly answers: readonly Answered[];
  get(path: string): Promise<Answered>;
  /** Posts an object as JSON, or a text as it is. */
  post(path: string, body: object | string): Promise<Answered>;
}

/**
 * Asks again while the host sheds load. Tests share its process, so that their own work makes it look busy.
 */
export async function untilTaken<Answer extends { readonly status: number; readonly body: object }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (let tries = 0; ; tries += 1) {
    const answer = await ask();
    const isShed = answer.status === 503 && JSON.stringify(answer.body).includes('Too much is asked');
    if (!isShed || tries === 50) return answer;
    await setTimeout(50);
  }
}

/** Starts one; close it at the end. */
export async function startContractApi(options: TestHostOptions = {}): Promise<ContractApi> {
  const made = await createTestHost(options);
  const server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  const answers: Answered[] = [];
  async function ask(path: string, init: RequestInit = {}): Promise<Answered> {
    const answered = await untilTaken(async () => {
      const response = await fetch(`${server.url}${path}`, init);
      const body = (await response.json()) as Answered['body'];
      return { path, status: response.status, headers: response.headers, body };
    });
    answers.push(answered);
    return answered;
  }
  return {
    ...made,
    url: server.url,
    answers,
    get: (path) => ask(path),
    post: (path, body) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async close() {
      await server.close();
      await made.close();
    },
  };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What every refusal looks like. */
export function refusal(code: string): object {
  return {
    status: 'error',
    code,
    message: expect.stringMatching(/\w/) as unknown,
    request_id: expect.stringMatching(uuid) as unknown,
  };
}

/** A health envelope as §5 of the contract has it, with changes. */
export function healthEvent(
  payload: Readonly<Record<string, unknown>> = {},
  outer: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    source_id: 'garmin_connect_health',
    external_id: 'garmin::79a6123c2db3::sleep::2026-02-25::88432f71072e214d',
    occurred_at: '2026-02-25T00:00:00+08:00',
    ...outer,
    payload: {
      connector: 'garmin_connect',
      connector_version: '0.3.0',
      account_ref: '79a6123c2db3',
      metric_type: 'sleep',
      metric_date: '2026-02-25',
      timezone: 'Asia/Shanghai',
      fetched_at: '2026-02-26T10:10:06+08:00',
      api_method: 'get_sleep_data',
      data: { minutes: 400 },
      ...payload,
    },
  };
}
