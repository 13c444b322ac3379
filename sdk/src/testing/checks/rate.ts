import type { DatasetInfo } from '../../connector.ts';
import { ConnectorError } from '../../errors.ts';
import { connectorCheck, expectThat, type Check } from '../check.ts';
import { askable } from './datasets.ts';
import { strike } from './errors.ts';
import { describeError } from './login.ts';
import { needsNetwork } from './needs-network.ts';
import { connectorOpened, type OpenedConnector } from '../open-connector.ts';
import { readAll, windowsFor } from '../records.ts';
import type { ConnectorSubject } from '../subject.ts';
import { withSource, type SourceContext } from '../with-source.ts';

/** Everything at once, as a host with room for it would ask. */
function readInParallel(opened: OpenedConnector, subject: ConnectorSubject): Promise<unknown> {
  return Promise.all(askable(opened).map((dataset) => readAll(opened, dataset, subject)));
}

/** The most requests that any stretch of so many milliseconds saw. */
function mostWithin(times: readonly number[], perMs: number): number {
  return Math.max(0, ...times.map((begin) => times.filter((at) => at >= begin && at < begin + perMs).length));
}

/** Every request is counted before it is sent, and the source's own budget is kept. */
async function checkCounted(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    const { server } = context;
    let [counted, uncounted] = [0, 0];
    const times: number[] = [];
    server.seen = (_, reply) => {
      if (reply) return;
      times.push(performance.now());
      if (server.requests.length > counted) uncounted += 1;
    };
    const opened = await connectorOpened(subject, context, { countRequest: () => void (counted += 1) });
    await readInParallel(opened, subject);
    await opened.close();
    expectThat(
      uncounted === 0,
      () => `Expected countRequest before each request, but ${uncounted} of ${times.length} came uncounted`,
    );
    const { budget } = subject;
    const most = budget ? mostWithin(times, budget.perMs) : 0;
    expectThat(
      !budget || most <= budget.requests,
      () => `Expected at most ${budget?.requests} requests in ${budget?.perMs} ms, got ${most}`,
    );
  });
}

/** A budget that is spent lets nothing more out, and what says so passes through as it is. */
async function checkSpent(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    const spent = new Error('The budget of this run is spent');
    let isSpent = false;
    const opened = await connectorOpened(subject, context, {
      countRequest() {
        if (isSpent) throw spent;
      },
    });
    isSpent = true;
    const before = context.server.requests.length;
    for (const dataset of askable(opened)) {
      const requestsBefore = context.server.requests.length;
      const error: unknown = await readAll(opened, dataset, subject).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      const asked = context.server.requests.length > requestsBefore;
      // A dataset that needs no request has nothing to be refused.
      expectThat(
        error === spent || (error === undefined && !asked),
        () =>
          `Expected what countRequest throws to pass through ${dataset.name} as it is, got ${describeError(error)}`,
      );
    }
    const after = context.server.requests.length - before;
    await opened.close();
    expectThat(after === 0, () => `Expected no request when countRequest throws, got ${after}`);
  });
}

const limitedFor = 42;

/** Asks a dataset once under a 429; resolves with how many requests that cost. */
async function askLimited(
  opened: OpenedConnector,
  { server }: SourceContext,
  { dataset, subject }: { readonly dataset: DatasetInfo; readonly subject: ConnectorSubject },
): Promise<void> {
  const [window] = windowsFor(dataset, subject);
  const before = server.requests.length;
  const error: unknown = await opened.read({ dataset: dataset.name, ...(window && { window }) }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const sent = server.requests.length - before;
  const isLimited = ConnectorError.is(error) && error.code === 'rate_limited';
  expectThat(
    isLimited || (error === undefined && sent === 0),
    () =>
      `Expected ${dataset.name} to be rate_limited under a 429, got ${error === undefined ? 'no error' : describeError(error)}`,
  );
  expectThat(
    sent <= 1,
    () => `Expected ${dataset.name} to ask no more after a 429, and it sent ${sent} requests`,
  );
}

/** One session is told to wait; the other goes on. */
async function checkPause(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, (one) =>
    withSource(
      subject,
      async (two) => {
        const [limited, free] = [await connectorOpened(subject, one), await connectorOpened(subject, two)];
        strike(one, {
          reply: () => ({ status: 429, json: {}, headers: { 'retry-after': String(limitedFor) } }),
        });
        for (const dataset of askable(limited)) await askLimited(limited, one, { dataset, subject });
        const begun = performance.now();
        for (const dataset of askable(free).slice(0, 2)) await readAll(free, dataset, subject);
        const lasted = performance.now() - begun;
        one.server.fault = undefined;
        for (const opened of [limited, free]) await opened.close();
        expectThat(
          lasted < (limitedFor * 1000) / 2,
          () => `Expected the other account to go on, and it waited ${Math.round(lasted)} ms`,
        );
      },
      2,
    ),
  );
}

/** In a host: the run ends, nothing more is asked of any dataset, and another connection runs. */
async function checkPauseInHost(subject: ConnectorSubject): Promise<void> {
  const { host, module, timeZone = 'Asia/Shanghai', window } = subject;
  if (!host) return;
  await withSource(subject, (one) =>
    withSource(
      subject,
      async (two) => {
        let sent = 0;
        const { isSignIn } = one.source;
        one.server.fault = (request) => {
          if (isSignIn?.(request) === true) return undefined;
          sent += 1;
          return { status: 429, json: {}, headers: { 'retry-after': String(limitedFor) } };
        };
        const run = (connection: string, { source: { config, tokens } }: SourceContext) =>
          host.run({ connection, module, config, ...(tokens && { tokens }), timeZone, window });
        const name = subject.plugin.name.replaceAll('_', '-');
        const paused = await run(`${name}-limited`, one);
        const other = await run(`${name}-free`, two);
        expectThat(
          paused.notBefore !== undefined,
          () =>
            `Expected a 429 to put the connection off, and it ended ${paused.status} with no time to wait: ${paused.error ?? ''}`,
        );
        // What was on its way when the first answer came.
        expectThat(
          sent <= mostUnderWay,
          () => `Expected a 429 to stop every dataset of the connection, but ${sent} requests were sent`,
        );
        expectThat(
          other.notBefore === undefined,
          () => 'Expected a 429 to put off that connection alone, and another one waits too',
        );
      },
      2,
    ),
  );
}

const mostUnderWay = 4;

/** 35 and 36: how much is asked of a source. */
export const rateChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 35,
      topic: 'Rate',
      title: 'every request is counted first, and the declared budget is kept with all datasets at once',
      why: 'A source that is asked too often closes the account.',
    },
    async (subject) => {
      await needsNetwork(subject);
      await checkCounted(subject);
      await checkSpent(subject);
    },
  ),
  connectorCheck(
    {
      id: 36,
      topic: 'Rate',
      title: 'one 429 pauses all datasets of its connection, and no other connection',
      why: 'Each further question makes the pause longer; another account did nothing.',
    },
    async (subject) => {
      await needsNetwork(subject);
      await checkPause(subject);
      await checkPauseInHost(subject);
    },
  ),
];
