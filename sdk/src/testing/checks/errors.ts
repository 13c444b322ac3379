import { ConnectorError } from '../../errors.ts';
import { Broken, connectorCheck, expectThat, pluginCheck, Skip, type Check } from '../check.ts';
import { askable, withOpened } from './datasets.ts';
import { checkAbortedWrite, checkClosed, expectNothingLeft } from './ending.ts';
import { needsNetwork } from './needs-network.ts';
import { endsOf, type End } from '../ends.ts';
import { inTime } from '../in-time.ts';
import { describeError, limitOf } from './login.ts';
import { faults, type Fault } from '../faults.ts';
import { connectorOpened, type OpenedConnector, type Question } from '../open-connector.ts';
import { withConnectorProcess, saidBy, type PluginProcess } from '../plugin-process.ts';
import type { EndThere, OpenedThere, ProcessQuestion } from '../process-protocol.ts';
import { questionsTo } from '../records.ts';
import { isConnectorSubject, type ConnectorSubject, type OpenSource } from '../subject.ts';
import { memoryTokens } from '../tokens.ts';
import { withSource, type SourceContext } from '../with-source.ts';

/** A question for each dataset that can be asked; the same in every process. */
export function firstQuestions(
  opened: Pick<OpenedThere, 'datasets'>,
  subject: ConnectorSubject,
): ProcessQuestion[] {
  const questions = askable(opened).flatMap((dataset) => questionsTo(dataset, subject).slice(0, 1));
  if (questions.length === 0) throw new Skip('the plugin has no dataset that can be asked for', true);
  return questions;
}

/** Answers every question for data with the fault from now on; signing in goes on as it does. */
export function strike({ server, source }: SourceContext, fault: Pick<Fault, 'reply'>): void {
  server.fault = (request) => (source.isSignIn?.(request) === true ? undefined : fault.reply());
}

/** Sessions for so many questions: one, and where nothing is answered one for each, lest one waits for the other. */
function sessionsFor({ isSilent }: Fault, questions: number): number {
  return isSilent === true ? questions : 1;
}

/** Puts the questions at once to a source with the fault; says whether it was asked for anything. */
async function endsUnder(
  subject: ConnectorSubject,
  fault: Fault,
  isMeant: (dataset: string) => boolean = () => true,
): Promise<{ readonly ends: readonly End[]; readonly isAsked: boolean }> {
  return withSource(subject, async (context) => {
    const { server, source } = context;
    const tokens = memoryTokens(source.tokens ?? {});
    const first = await connectorOpened(subject, context, { tokens });
    const sessions: OpenedConnector[] = [first];
    const questions = firstQuestions(first, subject).filter(({ dataset }) => isMeant(dataset));
    while (sessions.length < sessionsFor(fault, questions.length))
      sessions.push(await connectorOpened(subject, context, { tokens }));
    const before = server.requests.length;
    strike(context, fault);
    const ends = await endsOf(sessions, { questions, limitMs: limitOf(subject) });
    server.fault = undefined;
    const struck = server.requests.slice(before).filter((request) => source.isSignIn?.(request) !== true);
    for (const session of sessions) await session.close();
    return { ends, isAsked: struck.length > 0 };
  });
}

function expectPause(end: End, { name, retryAfterMs }: Fault): void {
  if (end.how !== 'threw' || retryAfterMs === undefined || !ConnectorError.is(end.error)) return;
  const { code, retryAfterMs: told } = end.error;
  expectThat(
    code !== 'rate_limited' || Math.abs((told ?? 0) - retryAfterMs) <= 2000,
    () => `Expected ${name} to carry the ${retryAfterMs} ms it says for ${end.dataset}, got ${told} ms`,
  );
}

function foundIn(end: End, limitMs: number): string {
  if (end.how === 'threw') return describeError(end.error);
  return end.how === 'done'
    ? 'no error: throw what fetchJson or errorOfStatus makes of it'
    : `no end within ${limitMs} ms: set a time-out, shorter than timeLimitMs of the subject`;
}

async function checkFault(subject: ConnectorSubject, fault: Fault): Promise<void> {
  const codes: readonly string[] = subject.errors?.[fault.name] ?? fault.codes;
  const { ends, isAsked } = await endsUnder(subject, fault);
  expectThat(
    isAsked,
    () =>
      `Expected a dataset to meet ${fault.name}, and the source was asked for nothing: isSignIn of the subject is true for signing in and renewal alone`,
  );
  for (const end of ends) {
    const { how, dataset } = end;
    const found = how === 'done' ? 'none' : how === 'threw' && ConnectorError.is(end.error) && end.error.code;
    if (found !== false && codes.includes(found)) {
      expectPause(end, fault);
      continue;
    }
    // What is made of the login's answer meets no fault; asked alone it shows.
    if (how === 'done' && !(await endsUnder(subject, fault, (name) => name === dataset)).isAsked) continue;
    throw new Broken(
      `Expected ${fault.name} to be ${codes.join(' or ')} for ${dataset}, got ${foundIn(end, limitOf(subject))}`,
    );
  }
}

/**
 * Under every fault, one after the other in one process, all questions at once; each time in a session that knows of no
 * other fault.
 */
export async function eachFault(
  subject: ConnectorSubject,
  plugin: PluginProcess,
  { questions, context }: { readonly questions: readonly ProcessQuestion[]; readonly context: SourceContext },
  use: (end: EndThere, fault: Fault) => void,
): Promise<void> {
  const { server, source } = context;
  const { config, tokens = {} } = source;
  const { module } = subject;
  for (const fault of faults) {
    const sessions = sessionsFor(fault, questions.length);
    await plugin.call({ verb: 'open', module, config, tokens, sessions });
    strike(context, fault);
    const limitMs = limitOf(subject);
    const ends = await plugin.call<EndThere[]>({ verb: 'meet', questions, limitMs });
    server.fault = undefined;
    for (const end of ends) use(end, fault);
    await plugin.call({ verb: 'close' }).catch(() => undefined);
  }
}

async function checkThrown(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    await withConnectorProcess(subject, context.source, async (plugin, opened) => {
      const questions = firstQuestions(opened, subject);
      if (subject.open) {
        await eachFault(subject, plugin, { questions, context }, ({ dataset, thrown }, { name }) => {
          if (!thrown) return;
          const { isConnectorError, isError, shown } = thrown;
          expectThat(
            isConnectorError,
            () =>
              `Expected a ConnectorError of ${dataset} under ${name}, got ${isError ? 'another Error' : 'no Error'}: ${shown.slice(0, 200)}`,
          );
        });
      } else await readThere(plugin, questions);
      // What nobody waits for is told a turn of the loop later: one more answer comes behind it.
      await plugin.call({ verb: 'close' });
      const [first] = plugin.unhandled();
      expectThat(
        first === undefined,
        () => `Expected every rejection to be handled, got ${first?.shown.slice(0, 200)}`,
      );
    });
  });
}

/** Reads everything the questions bring, in the plugin's process. */
async function readThere(plugin: PluginProcess, questions: readonly ProcessQuestion[]): Promise<void> {
  for (const question of questions) {
    await plugin.call({ verb: 'ask', ...question });
    for await (const said of saidBy(plugin)) void said;
  }
}

/** Longest time between the abort and the end of a fetch, in milliseconds. */
const abortLimitMs = 1000;

async function drain(answers: AsyncIterator<unknown>): Promise<void> {
  try {
    while ((await answers.next()).done !== true);
  } catch {
    // Ending with the abort is what is asked for.
  }
}

/** Begins to read from a source that is silent; resolves when it was asked, or had nothing to ask. */
async function untilSilence(
  subject: ConnectorSubject,
  context: SourceContext,
  answers: AsyncIterator<unknown>,
): Promise<{ readonly reading: Promise<void> }> {
  const { server, source } = context;
  const asked = server.next((request) => source.isSignIn?.(request) !== true);
  strike(context, { reply: () => ({ how: 'hang' }) });
  const reading = drain(answers);
  await inTime(Promise.race([asked, reading]), limitOf(subject));
  return { reading };
}

/** Aborts a fetch while the source is silent, or behind the first record where it asks no source. */
async function checkAbort(
  subject: ConnectorSubject,
  context: SourceContext,
  { opened, question }: { readonly opened: OpenedConnector; readonly question: Question },
): Promise<void> {
  const stop = new AbortController();
  const answers = opened.ask({ ...question, signal: stop.signal })[Symbol.asyncIterator]();
  const begun = subject.open ? await untilSilence(subject, context, answers) : await answers.next();
  stop.abort(new DOMException('The check aborts it', 'AbortError'));
  const end = await inTime('reading' in begun ? begun.reading : drain(answers), abortLimitMs);
  context.server.fault = undefined;
  expectThat(
    end !== 'late',
    () =>
      `Expected a fetch of ${question.dataset} to end within ${abortLimitMs} ms of its abort, got no end: give its signal to whatever waits`,
  );
}

async function checkLeft(subject: ConnectorSubject): Promise<void> {
  const use = async (source: OpenSource): Promise<void> =>
    withConnectorProcess(subject, source, async (plugin, opened) => {
      await readThere(plugin, firstQuestions(opened, subject));
      await plugin.call({ verb: 'close' });
      await expectNothingLeft(plugin, 'logout');
    });
  await withSource(subject, ({ source }) => use(source));
}

/** 27 to 30: what a plugin throws, and how it stops. */
export const errorChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 27,
      topic: 'Errors',
      title:
        'each fault of the source has its code: statuses, Retry-After, time-out, reset, half a body, HTML',
      why: 'The code alone says whether the host tries again, waits, or tells a person.',
    },
    async (subject) => {
      await needsNetwork(subject);
      for (const fault of faults) await checkFault(subject, fault);
    },
  ),
  connectorCheck(
    {
      id: 28,
      topic: 'Errors',
      title: 'only ConnectorErrors are thrown, and no rejection is left unhandled',
      why: 'Anything else is taken for a bug of the plugin, and a late rejection ends its process.',
    },
    checkThrown,
  ),
  pluginCheck(
    {
      id: 29,
      topic: 'Errors',
      title: 'an abort ends a fetch within a second, and a write before it begins',
      why: 'A host that stops waits no longer than that.',
    },
    (subject) =>
      isConnectorSubject(subject)
        ? withOpened(subject, async (opened, context) => {
            for (const question of firstQuestions(opened, subject))
              await checkAbort(subject, context, { opened, question });
          })
        : checkAbortedWrite(subject),
  ),
  pluginCheck(
    {
      id: 30,
      topic: 'Errors',
      title: 'no timer, socket or handle is left after logout or close',
      why: 'A process serves one account after the other; what is left would run in another’s time.',
    },
    (subject) => (isConnectorSubject(subject) ? checkLeft(subject) : checkClosed(subject)),
  ),
];
