import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createNotifier, type NotificationOutcome } from '../src/notify/deliver.ts';
import { mostAttempts, retrySeconds } from '../src/notify/store.ts';
import { startNotificationReceiver, type NotificationReceiver } from './notification-receiver.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

const secret = 'a-secret-of-the-test';
let source: ScriptedSource;
let receiver: NotificationReceiver;
let made: TestHost;
beforeAll(async () => {
  source = await startScriptedSource();
  receiver = await startNotificationReceiver();
  const datasets = { steps: {}, device: { granularity: 'snapshot' } };
  const config = { origin: source.origin, datasets };
  made = await createTestHost({
    connection: { plugin: scriptedPlugin, config, backfillDays: 1, windowDays: 1 },
    notify: { url: receiver.url, secret },
  });
});
afterAll(async () => {
  await made.close();
  await receiver.close();
  await source.close();
});
beforeEach(async () => {
  answerAll();
  receiver.answer = 204;
  receiver.received.length = 0;
  await made.query('truncate app.notification, app.slice_ledger, app.run, app.dataset_frontier');
  await made.query(`update app.connection_state set notified_state = 'unknown', notified_at = null,
    not_before = null, pause_ms = null, login_not_before = null, login_pause_ms = null`);
});

const answerAll = (): void =>
  void (source.answer = (name, window) => (window.from === '' || name === 'marks' ? {} : everyDay(window)));

function failWith(error: NonNullable<ReturnType<ScriptedSource['answer']>['error']>): void {
  source.answer = (_, { from }) => (from === '' ? {} : { error });
}

const broken = { code: 'source', message: 'no simulated data', status: 500 } as const;
// What failed is asked for again at once.
const due = () => made.query(`update app.slice_ledger set last_attempt_at = now() - interval '2 days'`);

async function told(): Promise<readonly string[]> {
  await made.host.notifier.deliverDue();
  return receiver.received.map(({ body }) => `${String(body['from'])} → ${String(body['to'])}`);
}

describe('a connection', () => {
  test('that goes well from the beginning is not told of', async () => {
    await made.run();
    await made.run();
    expect(await told()).toEqual([]);
  });

  test('that fails is told of once, and once more when all of it is there again', async () => {
    await made.run();
    failWith(broken);
    await made.run();
    await due();
    await made.run();
    expect(await told()).toEqual(['ok → failing']);
    answerAll();
    await due();
    // A snapshot that was missed yesterday: nobody can ask for it any more.
    await made.query(`update app.slice_ledger set day = day - 1 where dataset = 'device'`);
    await made.run();
    await made.run();
    expect(await told()).toEqual(['ok → failing', 'failing → ok']);
  });

  test('of which a failed day still waits to be asked for is not told well again', async () => {
    failWith(broken);
    await made.run();
    await made.query(
      `insert into app.slice_ledger (connection, dataset, day, outcome, attempts, error_code, error_message, run_id,
         plugin_version, first_attempt_at, last_attempt_at)
       select connection, dataset, day - 30, outcome, attempts, error_code, error_message, run_id, plugin_version,
         now(), now() from app.slice_ledger where dataset = 'steps' limit 1`,
    );
    answerAll();
    await made.query(`update app.slice_ledger set last_attempt_at = now() - interval '2 days'
      where day >= current_date - 2`);
    await made.run();
    expect(await told()).toEqual(['unknown → failing']);
  });

  test.each([
    ['needs_user', 'needs_user'],
    ['auth', 'needs_user'],
    ['rate_limited', 'rate_limited'],
  ] as const)('whose run ends with %s is told of as %s', async (code, state) => {
    failWith({ code, message: 'no' });
    await made.run();
    expect(await told()).toEqual([`unknown → ${state}`]);
  });

  test('says nothing of a part that a person asked for, nor of a run that was told to stop', async () => {
    await made.run();
    failWith(broken);
    await made.run({ onlyDatasets: ['steps'] });
    await made.run({ signal: AbortSignal.abort() });
    expect(await told()).toEqual([]);
  });
});

test('a notification says what happened, without secrets, and is signed', async () => {
  failWith({ ...broken, message: 'no data for simulated' });
  const { runId } = await made.run();
  await told();
  const [{ headers, text, body } = { headers: {}, text: '', body: {} }] = receiver.received;
  expect(body).toEqual({
    id: headers['otw-id'],
    type: 'connection.state_changed',
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    connection: 'garmin',
    from: 'unknown',
    to: 'failing',
    since: null,
    code: 'slices_failed',
    message: expect.stringContaining('steps 1 failed'),
    run_id: runId,
    dead_letters: 0,
    host: expect.any(String),
    simulated: false,
  });
  const signed = `${String(headers['otw-id'])}.${String(headers['otw-timestamp'])}.${text}`;
  expect(headers['otw-signature']).toBe(
    `sha256=${createHmac('sha256', secret).update(signed).digest('hex')}`,
  );
  expect(Math.abs(Number(headers['otw-timestamp']) - Date.now() / 1000)).toBeLessThan(60);
});

/** Another host's notifier on the same table. */
function notifierOf(outcomes: NotificationOutcome[], answerWithinMs = 10_000) {
  return createNotifier({
    store: made.host.notifications,
    receiver: { url: receiver.url },
    clock: { now: () => Date.now() },
    log: { warn() {}, error: (line: object) => lines.push(line) } as never,
    onOutcome: (outcome) => outcomes.push(outcome),
    answerWithinMs,
  });
}
const lines: object[] = [];
const sendAgain = () => made.query('update app.notification set next_attempt_at = now()');

describe('delivery', () => {
  beforeEach(async () => {
    failWith(broken);
    await made.run();
  });

  test.each([500, 404, 302, 'nothing'] as const)(
    'to a receiver that answers %s is tried again later, with the same id, until it is taken',
    async (answer) => {
      receiver.answer = answer;
      const outcomes: NotificationOutcome[] = [];
      const notifier = notifierOf(outcomes, 300);
      await notifier.deliverDue();
      await notifier.deliverDue();
      expect(outcomes).toEqual(['retried']);
      receiver.answer = 200;
      await sendAgain();
      await notifier.deliverDue();
      await sendAgain();
      await notifier.deliverDue();
      expect(outcomes).toEqual(['retried', 'delivered']);
      expect(new Set(receiver.received.map(({ headers }) => headers['otw-id'])).size).toBe(1);
      expect(await made.host.notifications.waiting()).toBe(0);
    },
  );

  test('is by one of several hosts', async () => {
    const outcomes: NotificationOutcome[] = [];
    await Promise.all(Array.from({ length: 6 }, () => notifierOf(outcomes).deliverDue()));
    expect(outcomes).toEqual(['delivered']);
    expect(receiver.received).toHaveLength(1);
  });

  test('keeps the order of a connection: a later one waits until the first was taken', async () => {
    receiver.answer = 500;
    const notifier = notifierOf([]);
    await notifier.deliverDue();
    answerAll();
    await due();
    await made.run();
    await notifier.deliverDue();
    expect(receiver.received).toHaveLength(1);
    receiver.answer = 200;
    await sendAgain();
    await notifier.deliverDue();
    await notifier.deliverDue();
    expect(receiver.received.map(({ body }) => body['to'])).toEqual(['failing', 'failing', 'ok']);
  });

  test('that is not answered keeps none of another connection waiting', async () => {
    receiver.answer = 'nothing';
    const outcomes: NotificationOutcome[] = [];
    const notifier = notifierOf(outcomes, 60_000);
    notifier.start();
    await expect.poll(() => receiver.received.length, { timeout: 15_000 }).toBe(1);
    receiver.answer = 204;
    await made.query(`insert into app.notification (notification_id, connection, body)
      select gen_random_uuid(), 'another', body from app.notification`);
    await expect.poll(() => outcomes, { timeout: 15_000 }).toEqual(['delivered']);
    notifier.stop();
  });

  test('is given up after a day, with a line in the log', async () => {
    receiver.answer = 503;
    const outcomes: NotificationOutcome[] = [];
    const notifier = notifierOf(outcomes);
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      await notifier.deliverDue();
      await sendAgain();
    }
    expect(outcomes).toEqual([...retrySeconds.map(() => 'retried'), 'dropped']);
    expect(lines).toEqual([expect.objectContaining({ connection: 'garmin', error: 'HTTP 503' })]);
    expect(await made.host.notifications.waiting()).toBe(0);
    const hours = retrySeconds.reduce((sum, seconds) => sum + seconds, 0) / 3600;
    expect(hours).toBeGreaterThan(23);
    expect(hours).toBeLessThan(25);
  });

  test('that hangs holds up neither a run nor a stop, and is made up for by another host', async () => {
    receiver.answer = 'nothing';
    const outcomes: NotificationOutcome[] = [];
    const notifier = notifierOf(outcomes);
    const delivering = notifier.deliverDue();
    await expect.poll(() => receiver.received.length).toBe(1);
    answerAll();
    await due();
    expect(await made.run()).toMatchObject({ status: 'succeeded' });
    const began = performance.now();
    notifier.stop();
    await delivering;
    expect(performance.now() - began).toBeLessThan(1_000);
    receiver.answer = 204;
    await sendAgain();
    await notifierOf(outcomes).deliverDue();
    expect(outcomes).toEqual(['delivered']);
  });
});

test.each(['auth', 'needs_user'] as const)(
  'a connection that ends with %s is due again in an hour at the earliest, however short its interval',
  async (code) => {
    source.answer = (name) => (name === 'login' ? { error: { code, message: 'no' } } : {});
    await made.run({ trigger: 'schedule' }, { intervalSeconds: 60 });
    const [due] = await made.query<{ minutes: number }>(
      `select extract(epoch from next_run_at - now())::float / 60 as minutes from app.connection_state`,
    );
    expect(due?.minutes).toBeGreaterThan(59);
  },
);

test('a sign-in refused with 429, or with a bot check, is tried at most once an hour, over ticks, hosts and restarts, and told once', async () => {
  const clock = fakeClock('2026-03-01T00:00:00+08:00');
  const hook = await startNotificationReceiver();
  const config = { origin: source.origin, datasets: { steps: {} } };
  const begin = (databaseUrl?: string) =>
    createTestHost({
      clock,
      ...(databaseUrl !== undefined && { databaseUrl }),
      connection: { plugin: scriptedPlugin, config, backfillDays: 1 },
      notify: { url: hook.url },
    });
  const refusal = { code: 'rate_limited', refusedSignIn: true } as const;
  let [now, next]: NonNullable<ReturnType<ScriptedSource['answer']>['error']>[] = [
    { ...refusal, message: 'Too many sign-ins', status: 429 },
    { ...refusal, message: 'A bot check', status: 403 },
  ];
  source.answer = (name) => {
    if (!name.startsWith('login')) return {};
    [now, next] = [next!, now!];
    return { error: now! };
  };
  source.requests();
  const first = await begin();
  let host = await begin(first.databaseUrl);
  const signIns: number[] = [];
  try {
    for (let hour = 0; hour < 8; hour += 1) {
      // Every twenty minutes on both hosts, one of which is started anew each hour.
      for (let tick = 0; tick < 3; tick += 1) {
        await first.run({ trigger: 'schedule', inProcess: true });
        await host.run({ trigger: 'schedule', inProcess: true });
        clock.advance({ hours: 1 / 3 });
      }
      signIns.push(source.requests().filter((request) => request === 'login').length);
      await host.close();
      host = await begin(first.databaseUrl);
    }
    await host.host.notifier.deliverDue();
    expect(Math.max(...signIns)).toBe(1);
    expect(signIns.reduce((sum, made) => sum + made, 0)).toBeLessThan(5);
    const [health] = await host.host.connections.health(['garmin']);
    expect(health).toMatchObject({ lastStatus: 'error', lastErrorCode: 'rate_limited' });
    expect(hook.received.map(({ body }) => body['to'])).toEqual(['rate_limited']);
  } finally {
    await host.close();
    await first.close();
    await hook.close();
  }
});
