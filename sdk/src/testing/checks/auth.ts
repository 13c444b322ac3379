import type { JsonValue } from '../../json.ts';
import { secretsOf } from '../../secret.ts';
import type { Tokens } from '../../connector.ts';
import { Broken, connectorCheck, expectThat, Skip, type Check } from '../check.ts';
import { firstQuestion } from './errors.ts';
import { askable } from './datasets.ts';
import { describeError, expectCode, failureOf } from './login.ts';
import { needsNetwork } from './needs-network.ts';
import { connectorOpened, type OpenedConnector } from '../open-connector.ts';
import { saidBy, withConnectorProcess } from '../plugin-process.ts';
import { firstDifference, isOfDays, readAll, type AnyRecord } from '../records.ts';
import { splitWindow } from '../../windows.ts';
import type { Reply, TestRequest } from '../server.ts';
import type { ConnectorSubject, OpenSource } from '../subject.ts';
import { memoryTokens } from '../tokens.ts';
import { withSource, type SourceContext } from '../with-source.ts';

const callsAtOnce = 50;
// Shorter texts are words, not tokens.
const shortestToken = 8;

function renewalOf({ renewal }: OpenSource): NonNullable<OpenSource['renewal']> {
  if (!renewal) throw new Skip('the subject says of no access that ends and is renewed');
  return renewal;
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.length >= shortestToken ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** The texts a JSON answer holds that are long enough for a token. */
export function tokensIn({ json, text }: Reply): string[] {
  if (json !== undefined) return textsIn(json);
  try {
    return textsIn(JSON.parse(text ?? ''));
  } catch {
    return [];
  }
}

/** Everything of a request that may carry a token. */
function carriedBy({ path, query, headers, body }: TestRequest): string {
  return `${path}?${decodeURIComponent(query.toString())} ${JSON.stringify(headers)} ${body}`;
}

/** Access ends; then many ask at once. */
async function askAtOnce(
  opened: OpenedConnector,
  { source }: SourceContext,
  subject: ConnectorSubject,
): Promise<void> {
  await renewalOf(source).expire();
  const question = firstQuestion(opened, subject);
  await Promise.all(Array.from({ length: callsAtOnce }, () => opened.read(question)));
}

async function checkOneRenewal(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    const { matches } = renewalOf(context.source);
    const opened = await connectorOpened(subject, context);
    const before = context.server.requests.length;
    await askAtOnce(opened, context, subject);
    const renewals = context.server.requests.slice(before).filter(matches).length;
    await opened.close();
    expectThat(
      renewals === 1,
      () => `Expected one renewal for ${callsAtOnce} calls that found their access ended, got ${renewals}`,
    );
  });
}

/** What is saved is enough for the next run, and for the renewal after it. */
async function expectSavedWhole(
  subject: ConnectorSubject,
  context: SourceContext,
  tokens: Tokens,
): Promise<void> {
  try {
    const opened = await connectorOpened(subject, context, { tokens });
    await renewalOf(context.source).expire();
    await opened.read(firstQuestion(opened, subject));
    await opened.close();
  } catch (cause) {
    const found = describeError(cause);
    throw new Broken(`Expected the saved tokens to do for the next run and its renewal, got ${found}`, {
      cause,
    });
  }
}

/** What was given anew must be durable when it is first carried anywhere. */
async function checkSavedFirst(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    const { server, source } = context;
    const { matches } = renewalOf(source);
    const tokens = memoryTokens(source.tokens ?? {});
    const saved = (): string => JSON.stringify([...tokens.saved.values()]);
    const opened = await connectorOpened(subject, context, { tokens });
    let given: string[] = [];
    let atFirstUse: string | undefined;
    server.seen = (request, reply) => {
      if (!reply && given.some((text) => carriedBy(request).includes(text))) atFirstUse ??= saved();
      if (reply && matches(request)) given = [...given, ...tokensIn(reply)];
    };
    await renewalOf(source).expire();
    await opened.read(firstQuestion(opened, subject));
    await opened.close();
    const kept = given.filter((text) => saved().includes(text));
    expectThat(
      kept.length > 0,
      () => 'Expected what a renewal gave to be saved in tokens, and nothing of it was',
    );
    const late = kept.filter((text) => atFirstUse?.includes(text) === false);
    expectThat(
      late.length === 0,
      () =>
        `Expected renewed tokens to be saved before their first use: ${late.length} of ${kept.length} were not`,
    );
    server.seen = undefined;
    await expectSavedWhole(subject, context, tokens);
  });
}

/** Texts that only this account's side may see. */
function ownTexts(subject: ConnectorSubject, { config, tokens }: OpenSource): Set<string> {
  return new Set([...secretsOf(subject.plugin.config, config), ...textsIn(tokens as JsonValue | undefined)]);
}

interface Side {
  readonly context: SourceContext;
  readonly texts: Set<string>;
}

function watch(subject: ConnectorSubject, context: SourceContext): Side {
  const { server, source } = context;
  const texts = ownTexts(subject, source);
  server.seen = (request, reply) => {
    if (!reply || !(source.isSignIn?.(request) === true || source.renewal?.matches(request) === true)) return;
    for (const text of tokensIn(reply)) texts.add(text);
  };
  return { context, texts };
}

function expectApart(mine: Side, others: Side): void {
  const foreign = [...others.texts].filter((text) => text.length >= shortestToken && !mine.texts.has(text));
  for (const request of mine.context.server.requests) {
    const leak = foreign.find((text) => carriedBy(request).includes(text));
    expectThat(
      leak === undefined,
      () =>
        `Expected ${request.method} ${request.path} of one account to carry nothing of the other's, and it does`,
    );
  }
}

async function readTurnAbout(sides: readonly OpenedConnector[], subject: ConnectorSubject): Promise<void> {
  const [first] = sides;
  for (const dataset of first ? askable(first) : [])
    await Promise.all(sides.map((opened) => readAll(opened, dataset, subject)));
}

/** What the second account says beside the first is what it says in a process of its own. */
async function expectOwnData(
  subject: ConnectorSubject,
  { source }: SourceContext,
  [first, beside]: readonly OpenedConnector[],
): Promise<void> {
  const dataset = beside && askable(beside).filter(isOfDays);
  if (!beside || !dataset) return;
  await withConnectorProcess(subject, source, async (plugin) => {
    for (const { name, spanDays } of dataset) {
      const [window] = splitWindow(subject.window, spanDays);
      if (!window) continue;
      await plugin.call({ verb: 'ask', dataset: name, window });
      const alone: AnyRecord[] = [];
      for await (const { record } of saidBy(plugin)) if (record) alone.push(record);
      await first?.read({ dataset: name, window });
      const difference = firstDifference(alone, await beside.read({ dataset: name, window }));
      expectThat(
        difference === undefined,
        () => `Expected ${name} of one account to be its own beside another's, got ${difference}`,
      );
    }
  });
}

async function checkApart(subject: ConnectorSubject): Promise<void> {
  await needsNetwork(subject);
  await withSource(subject, (one) =>
    withSource(
      subject,
      async (two) => {
        const [left, right] = [watch(subject, one), watch(subject, two)];
        const sides = await Promise.all([one, two].map((context) => connectorOpened(subject, context)));
        const accounts = sides.map(({ session }) => subject.plugin.account(session));
        expectThat(
          new Set(accounts).size === 2,
          () => 'Expected two accounts of the subject to be two, got one',
        );
        await expectOwnData(subject, two, sides);
        await readTurnAbout(sides, subject);
        for (const { source } of [one, two]) await source.renewal?.expire();
        await readTurnAbout(sides, subject);
        for (const opened of sides) await opened.close();
        expectApart(left, right);
        expectApart(right, left);
      },
      2,
    ),
  );
}

/** 31 to 34: tokens. */
export const authChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 31,
      topic: 'Auth',
      title: 'access that ended is renewed once, however many calls find out at the same time',
      why: 'A refresh token that is good for one use is spent by the first; the second signs the account out.',
    },
    checkOneRenewal,
  ),
  connectorCheck(
    {
      id: 32,
      topic: 'Auth',
      title: 'renewed tokens are saved before their first use',
      why: 'A crash between use and save loses the only token that works.',
    },
    checkSavedFirst,
  ),
  connectorCheck(
    {
      id: 33,
      topic: 'Auth',
      title: 'an account that needs a person is needs_user, at once',
      why: 'Nobody is there to type a code: a run that waits for it hangs for ever.',
    },
    (subject) =>
      withSource(subject, async (context) => {
        const { needsUser } = context.source;
        if (!needsUser) throw new Skip('the subject gives no account that needs a person');
        expectCode(await failureOf(subject, context, { credentials: needsUser }), ['needs_user']);
      }),
  ),
  connectorCheck(
    {
      id: 34,
      topic: 'Auth',
      title: 'two accounts in one process never see each other’s tokens',
      why: 'One person’s data under another’s name is the worst that can happen.',
    },
    checkApart,
  ),
];
