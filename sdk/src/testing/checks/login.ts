import { ConnectorError, type ConnectorErrorCode } from '../../errors.ts';
import { connectorCheck, expectThat, Skip, type Check } from '../check.ts';
import { needsNetwork } from './needs-network.ts';
import { inTime } from '../in-time.ts';
import { connectorOpened, type Opening } from '../open-connector.ts';
import { windowsFor } from '../records.ts';
import type { ConnectorSubject } from '../subject.ts';
import { withSource, type SourceContext } from '../with-source.ts';

const defaultLimitMs = 10_000;

/** Longest time for a login, or for a question under a fault, in milliseconds. */
export function limitOf({ timeLimitMs = defaultLimitMs }: ConnectorSubject): number {
  return timeLimitMs;
}

/** What an error is, in words. */
export function describeError(error: unknown): string {
  if (ConnectorError.is(error)) return `${error.code} (${error.message})`;
  return error instanceof Error ? `${error.name}: ${error.message}` : `no Error but ${typeof error}`;
}

/** Logs in, asks for one thing as `otw check` does, logs out. */
async function useOnce(subject: ConnectorSubject, context: SourceContext, opening: Opening): Promise<void> {
  const opened = await connectorOpened(subject, context, opening);
  const { plugin } = subject;
  const { session, datasets } = opened;
  const signal = opening.signal ?? new AbortController().signal;
  try {
    await plugin.check?.({ session, signal });
    // A connector that asks nothing before the first fetch shows there what it thinks of its credentials.
    const dataset = datasets.find(({ notSupported }) => notSupported === undefined);
    const [window] = dataset ? windowsFor(dataset, subject) : [];
    if (!plugin.check && dataset)
      await opened
        .ask({ dataset: dataset.name, ...(window && { window }) })
        [Symbol.asyncIterator]()
        .next();
  } finally {
    await opened.close();
  }
}

/** What using the connector once ends with, within the limit: undefined where all went well. */
export async function failureOf(
  subject: ConnectorSubject,
  context: SourceContext,
  opening: Opening = {},
): Promise<{ readonly error: unknown } | undefined> {
  const limit = limitOf(subject);
  const using = useOnce(subject, context, opening).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const first = await inTime(using, limit);
  expectThat(first !== 'late', () => `Expected an end within ${limit} ms, got none`);
  return first;
}

/** Throws Broken unless it failed as one of the codes. */
export function expectCode(
  failure: { readonly error: unknown } | undefined,
  codes: readonly ConnectorErrorCode[],
): void {
  const isOne = failure && ConnectorError.is(failure.error) && codes.includes(failure.error.code);
  const found = failure ? describeError(failure.error) : 'no error';
  expectThat(isOne === true, () => `Expected ConnectorError ${codes.join(' or ')}, got ${found}`);
}

/** 7 to 10: signing in, and what is said when it does not work. */
export const loginChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 7,
      topic: 'Check',
      title: 'good credentials log in',
      why: 'Everything else begins here.',
    },
    (subject) =>
      withSource(subject, async (context) => {
        const failure = await failureOf(subject, context);
        expectThat(!failure, () => `Expected a login, got ${describeError(failure?.error)}`);
        const opened = await connectorOpened(subject, context);
        const account: unknown = subject.plugin.account(opened.session);
        await opened.close();
        expectThat(
          typeof account === 'string' && account.trim() !== '',
          () => 'Expected account to name whose data it is',
        );
      }),
  ),
  connectorCheck(
    {
      id: 8,
      topic: 'Check',
      title: 'refused credentials are auth or needs_user, not a crash',
      why: 'A person must be told to sign in; a crash tells them nothing.',
    },
    (subject) =>
      withSource(subject, async (context) => {
        await needsNetwork(subject);
        const { refused } = context.source;
        if (!refused) throw new Skip('the subject gives no refused credentials');
        expectCode(await failureOf(subject, context, { credentials: refused }), ['auth', 'needs_user']);
      }),
  ),
  connectorCheck(
    {
      id: 9,
      topic: 'Check',
      title: 'a source that cannot be reached is transient',
      why: 'The network comes back by itself; nobody must do anything.',
    },
    (subject) =>
      withSource(subject, async (context) => {
        await needsNetwork(subject);
        await context.server.close();
        expectCode(await failureOf(subject, context), ['transient']);
      }),
  ),
  connectorCheck(
    {
      id: 10,
      topic: 'Check',
      title: 'a login ends inside its time limit, also when nothing is answered',
      why: 'A run that never ends holds its place for ever.',
    },
    (subject) =>
      withSource(subject, async (context) => {
        await needsNetwork(subject);
        context.server.fault = () => ({ how: 'hang' });
        expectCode(await failureOf(subject, context), ['transient']);
      }),
  ),
];
