import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '@on-the-way/core';
import type { NotifyConfig } from '../config/host-config.ts';
import type { HostLog } from '../log.ts';
import { headersOf } from './signature.ts';
import { mostAttempts, type DueNotification, type NotificationStore } from './store.ts';

/** What became of a try: `delivered`, `retried` (sent again later), `dropped` (tried for a day). */
export type NotificationOutcome = 'delivered' | 'retried' | 'dropped';

/** Sends what is to be told. */
export interface Notifier {
  /** Sends whatever becomes due, from then on; without a receiver it does nothing. */
  start(): void;
  /** Sends what is due now, and resolves when each was answered or given up. */
  deliverDue(): Promise<void>;
  /** Gives up what is being sent, which some host sends later, and resolves at once. */
  stop(): void;
}

/** What the notifier is made of. */
export interface NotifierParts {
  readonly store: NotificationStore;
  /** Absent: nobody is told. */
  readonly receiver: NotifyConfig | undefined;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly onOutcome: (outcome: NotificationOutcome) => void;
  /** How long to wait for an answer, in milliseconds; default 10,000. */
  readonly answerWithinMs?: number;
}

// Some that nobody answers leave room for others.
const mostUnderWay = 32;
const lookEachMs = 1_000;
const afterFailureMs = 15_000;
const defaultAnswerWithinMs = 10_000;

/** Why the receiver has not taken it; undefined when it has. */
async function send(
  { receiver, clock, answerWithinMs = defaultAnswerWithinMs }: NotifierParts,
  { id, body }: DueNotification,
  stopped: AbortSignal,
): Promise<string | undefined> {
  if (!receiver) return 'nobody to tell';
  try {
    const response = await fetch(receiver.url, {
      method: 'POST',
      headers: headersOf({ id, body, sentAt: clock.now() }, receiver.secret),
      body,
      // Whoever is redirected to was not chosen by the operator.
      redirect: 'manual',
      signal: AbortSignal.any([stopped, AbortSignal.timeout(answerWithinMs)]),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `HTTP ${response.status}`;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') return 'no answer in time';
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
    return cause && 'code' in cause ? `no answer (${String(cause.code)})` : 'no answer';
  }
}

async function deliver(
  parts: NotifierParts,
  notification: DueNotification,
  stopped: AbortSignal,
): Promise<void> {
  const { store, log, onOutcome } = parts;
  const { id, connection, attempts } = notification;
  const problem = await send(parts, notification, stopped);
  if (problem !== undefined && stopped.aborted) return;
  const isLast = attempts >= mostAttempts;
  onOutcome(problem === undefined ? 'delivered' : isLast ? 'dropped' : 'retried');
  if (problem === undefined) return store.done(id);
  const told = { notification: id, connection, attempts, error: problem };
  if (!isLast) return log.warn(told, 'notification not taken; it is sent again');
  log.error(told, 'notification dropped: nobody took it within a day');
  return store.done(id);
}

/** Makes the notifier of this host. */
export function createNotifier(parts: NotifierParts): Notifier {
  const stop = new AbortController();
  const { signal } = stop;
  const underWay = new Set<Promise<void>>();
  const begin = async (): Promise<readonly Promise<void>[]> => {
    const room = mostUnderWay - underWay.size;
    if (!parts.receiver || signal.aborted || room <= 0) return [];
    const due = await parts.store.take(room);
    return due.map((notification) => {
      const delivery = deliver(parts, notification, signal).finally(() => underWay.delete(delivery));
      underWay.add(delivery);
      return delivery;
    });
  };
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      // With the database away there is nothing to be had; a receiver that is away is no failure here.
      const wait = await begin().then(
        (begun) => {
          // What the table was not told is sent again, as after a crash.
          for (const delivery of begun) delivery.catch(() => undefined);
          return lookEachMs;
        },
        () => afterFailureMs,
      );
      await delay(wait, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  return {
    start: () => void (parts.receiver && loop()),
    deliverDue: async () => void (await Promise.all(await begin())),
    stop: () => stop.abort(),
  };
}
