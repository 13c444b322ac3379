import type { JsonValue } from '../../json.ts';
import { secretsOf } from '../../secret.ts';
import type { Tokens } from '../../connector.ts';
import { Broken, connectorCheck, expectThat, Skip, type Check } from '../check.ts';
import { firstQuestions } from './errors.ts';
import { askable } from './datasets.ts';
import { describeError, expectCode, failureOf } from './login.ts';
import { needsNetwork } from './needs-network.ts';
import { connectorOpened, type OpenedConnector } from '../open-connector.ts';
import { saidBy, withConnectorProcess } from '../plugin-process.ts';
import { firstDifference, questionsTo, readAll, type AnyRecord } from '../records.ts';
import type { ProcessQuestion } from '../process-protocol.ts';
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

/** So many questions, spread over all datasets and their days: what is shared by one dataset alone is not shared. */
function questionsAtOnce(opened: OpenedConnector, subject: ConnectorSubject): ProcessQuestion[] {
  const ofDatasets = askable(opened).map((dataset) => questionsTo(dataset, subject));
  const count = Math.max(callsAtOnce, ofDatasets.length);
  return Array.from({ length: count }, (_, index) => {
    const round = Math.floor(index / ofDatasets.length);
    const questions = ofDatasets[index % ofDatasets.length] ?? [];
    return questions[round % questions.length];
  }).filter((question) => question !== undefined);
}

async function checkOneRenewal(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    const renewal = renewalOf(context.source);
    const opened = await connectorOpened(subject, context);
    const questions = questionsAtOnce(opened, subject);
    const before = context.server.requests.length;
    await renewal.expire();
    const ends = await Promise.allSettled(questions.map((question) => opened.read(question)));
    const renewals = context.server.requests
      .slice(before)
      .filter((request) => renewal.matches(request)).length;
    await opened.close();
    expectThat(
      renewals === 1,
      () =>
        `Expected one renewal for ${questions.length} calls, of all datasets at once, that found their access ended, got ${renewals}: let them all wait for the same one, and look with tokens.update whether it is still needed`,
    );
    const failed = ends.find((end) => end.status === 'rejected');
    expectThat(
      !failed,
      () => `Expected every call to be answered after the renewal, got ${describeError(failed?.reason)}`,
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
    for (const question of firstQuestions(opened, subject)) await opened.read(question);
    await opened.close();
  } catch (cause) {
    const found = describeError(cause);
    throw new Broken(`Expected the saved tokens to do for the next run and its renewal, got ${found}`, {
      cause,
    });
  }
}

interface Renewed {
  /** Everything long enough for a token that the source gave. */
  readonly given: readonly string[];
  /** What was saved when one of them was first carried anywhere. */
  readonly savedAtFirstUse: string | undefined;
}

/** Access ends and a dataset is read: what was given anew, and what of it was durable when it was first carried. */
async function renewedBy(
  { server, source }: SourceContext,
  saved: () => string,
  read: () => Promise<unknown>,
): Promise<Renewed> {
  const renewal = renewalOf(source);
  const given: string[] = [];
  let savedAtFirstUse: string | undefined;
  server.seen = (request, reply) => {
    if (!reply && given.some((text) => carriedBy(request).includes(text))) savedAtFirstUse ??= saved();
    if (reply && renewal.matches(request)) given.push(...tokensIn(reply));
  };
  await renewal.expire();
  await read();
  server.seen = undefined;
  return { given, savedAtFirstUse };
}

function expectSavedFirst(dataset: string, { given, savedAtFirstUse }: Renewed, saved: string): void {
  const kept = given.filter((text) => saved.includes(text));
  expectThat(
    kept.length > 0,
    () =>
      `Expected what a renewal gave while ${dataset} was read to be saved in tokens, and nothing of it was`,
  );
  const late = kept.filter((text) => savedAtFirstUse?.includes(text) === false);
  expectThat(
    late.length === 0,
    () =>
      `Expected renewed tokens to be saved before their first use, and ${late.length} of ${kept.length} were saved only after it while ${dataset} was read: await tokens.save, or return them in tokens.update, before they are used`,
  );
}

/** What was given anew must be durable when it is first carried anywhere, whichever dataset found its access ended. */
async function checkSavedFirst(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    const tokens = memoryTokens(context.source.tokens ?? {});
    const saved = (): string => JSON.stringify([...tokens.saved.values()]);
    const opened = await connectorOpened(subject, context, { tokens });
    let renewals = 0;
    for (const question of firstQuestions(opened, subject)) {
      const { dataset } = question;
      const renewed = await renewedBy(context, saved, () => opened.read(question)).catch((cause: unknown) => {
        const found = describeError(cause);
        throw new Broken(
          `Expected ${dataset} to be read after access ended and was renewed, got ${found}: each renewal begins with what the last one gave and saved`,
          { cause },
        );
      });
      if (renewed.given.length === 0) continue;
      renewals += 1;
      await tokens.settled();
      expectSavedFirst(dataset, renewed, saved());
    }
    await opened.close();
    expectThat(renewals > 0, () => 'Expected access that ended to be renewed, and nothing was given anew');
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
  if (!beside) return;
  // What is of now may be another thing a moment later.
  const datasets = askable(beside).filter(({ granularity }) => granularity !== 'snapshot');
  await withConnectorProcess(subject, source, async (plugin) => {
    for (const dataset of datasets) {
      const { name } = dataset;
      const [question] = questionsTo(dataset, subject);
      if (!question) continue;
      await plugin.call({ verb: 'ask', ...question });
      const alone: AnyRecord[] = [];
      for await (const { record } of saidBy(plugin)) if (record) alone.push(record);
      await first?.read(question);
      const difference = firstDifference(alone, await beside.read(question));
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
