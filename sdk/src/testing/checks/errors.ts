import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from '../../errors.ts';
import { connectorCheck, expectThat, pluginCheck, Skip, type Check } from '../check.ts';
import { askable, withOpened } from './datasets.ts';
import { checkAbortedWrite, checkClosed, expectNothingLeft } from './ending.ts';
import { describeError } from './login.ts';
import { faults, type Fault } from '../faults.ts';
import type { Question } from '../open-connector.ts';
import { ThrownByPlugin, withConnectorProcess, saidBy, type PluginProcess } from '../plugin-process.ts';
import type { OpenedThere } from '../process-protocol.ts';
import { windowsFor } from '../records.ts';
import { isConnectorSubject, type ConnectorSubject, type OpenSource } from '../subject.ts';
import { withSource, type SourceContext } from '../with-source.ts';

/** One question of the connector's first dataset that asks the source; the same in every process. */
export function firstQuestion(
  { datasets }: Pick<OpenedThere, 'datasets'>,
  subject: ConnectorSubject,
): Omit<Question, 'signal'> {
  const [dataset] = askable({ datasets });
  if (!dataset) throw new Skip('the plugin has no dataset that can be asked for', true);
  const [window] = windowsFor(dataset, subject);
  const { name } = dataset;
  return dataset.granularity === 'cursor' || !window ? { dataset: name } : { dataset: name, window };
}

/** Answers every question for data with the fault from now on; signing in goes on as it does. */
export function strike({ server, source }: SourceContext, fault: Pick<Fault, 'reply'>): void {
  server.fault = (request) => (source.isSignIn?.(request) === true ? undefined : fault.reply());
}

function needsNetwork({ open }: ConnectorSubject): void {
  if (!open) throw new Skip('the plugin asks nothing of a network: its subject has no open', true);
}

async function outcomeOf(subject: ConnectorSubject, fault: Fault): Promise<unknown> {
  return withOpened(subject, async (opened, context) => {
    strike(context, fault);
    try {
      await opened.read(firstQuestion(opened, subject));
      return undefined;
    } catch (error) {
      return error;
    } finally {
      context.server.fault = undefined;
    }
  });
}

async function checkFault(subject: ConnectorSubject, fault: Fault): Promise<void> {
  const { name, retryAfterMs } = fault;
  const codes = subject.errors?.[name] ?? fault.codes;
  const error = await outcomeOf(subject, fault);
  const found = ConnectorError.is(error) ? error.code : error === undefined ? 'none' : undefined;
  expectThat(
    found !== undefined && codes.includes(found),
    () =>
      `Expected ${name} to be ${codes.join(' or ')}, got ${error === undefined ? 'no error' : describeError(error)}`,
  );
  if (found !== 'rate_limited' || retryAfterMs === undefined || !ConnectorError.is(error)) return;
  const told = error.retryAfterMs ?? 0;
  expectThat(
    Math.abs(told - retryAfterMs) <= 2000,
    () => `Expected ${name} to carry the ${retryAfterMs} ms it says, got ${error.retryAfterMs} ms`,
  );
}

/** Puts a question to a plugin in its process, under the fault; resolves with what it threw. */
async function throwUnder(
  plugin: PluginProcess,
  question: Omit<Question, 'signal'>,
  { context, fault }: { readonly context: SourceContext; readonly fault: Fault },
): Promise<ThrownByPlugin | undefined> {
  strike(context, fault);
  try {
    await plugin.call({ verb: 'ask', ...(question as { dataset: string }) });
    for await (const said of saidBy(plugin)) void said;
    return undefined;
  } catch (error) {
    if (error instanceof ThrownByPlugin) return error;
    throw error;
  } finally {
    context.server.fault = undefined;
  }
}

/** Under every fault, one after the other in one process; each time in a session of its own, which knows of no other fault. */
export async function eachFault(
  subject: ConnectorSubject,
  plugin: PluginProcess,
  { question, context }: { readonly question: Omit<Question, 'signal'>; readonly context: SourceContext },
  use: (thrown: ThrownByPlugin | undefined, fault: Fault) => void,
): Promise<void> {
  const { config, tokens = {} } = context.source;
  for (const fault of faults) {
    await plugin.call({ verb: 'open', module: subject.module, config, tokens });
    const before = context.server.requests.length;
    use(await throwUnder(plugin, question, { context, fault }), fault);
    const met = context.server.requests.length > before;
    expectThat(met, () => `Expected a question to meet ${fault.name}, and the source was not asked`);
    await plugin.call({ verb: 'close' }).catch(() => undefined);
  }
}

async function checkThrown(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    await withConnectorProcess(subject, context.source, async (plugin, opened) => {
      const question = firstQuestion(opened, subject);
      if (subject.open) {
        await eachFault(subject, plugin, { question, context }, (error, { name }) => {
          if (!error) return;
          const { isConnectorError, isError, shown } = error.thrown;
          expectThat(
            isConnectorError,
            () =>
              `Expected a ConnectorError under ${name}, got ${isError ? 'another Error' : 'no Error'}: ${shown.slice(0, 200)}`,
          );
        });
      } else await readThere(plugin, question);
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

/** Reads everything a question brings, in the plugin's process. */
async function readThere(plugin: PluginProcess, question: Omit<Question, 'signal'>): Promise<void> {
  await plugin.call({ verb: 'ask', ...(question as { dataset: string }) });
  for await (const said of saidBy(plugin)) void said;
}

/** Longest time between the abort and the end of a fetch, in milliseconds. */
const abortLimitMs = 1000;

/** Aborts a fetch while the source is silent, or behind the first record where it asks no source. */
async function checkAbort(subject: ConnectorSubject): Promise<void> {
  await withOpened(subject, async (opened, context) => {
    const stop = new AbortController();
    const answers = opened
      .ask({ ...firstQuestion(opened, subject), signal: stop.signal })
      [Symbol.asyncIterator]();
    if (subject.open) {
      const asked = context.server.next();
      strike(context, { reply: () => ({ how: 'hang' }) });
      const reading = answers.next().then(
        () => undefined,
        () => undefined,
      );
      await Promise.race([asked, reading]);
      stop.abort(new DOMException('The check aborts it', 'AbortError'));
      await expectEnd(reading);
    } else {
      await answers.next();
      stop.abort(new DOMException('The check aborts it', 'AbortError'));
      await expectEnd(drain(answers));
    }
    context.server.fault = undefined;
  });
}

async function drain(answers: AsyncIterator<unknown>): Promise<void> {
  try {
    while ((await answers.next()).done !== true);
  } catch {
    // Ending with the abort is what is asked for.
  }
}

async function expectEnd(reading: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const late = delay(abortLimitMs, 'late' as const, { signal: timer.signal }).catch(() => undefined);
  const first = await Promise.race([reading, late]);
  timer.abort();
  expectThat(
    first !== 'late',
    () => `Expected a fetch to end within ${abortLimitMs} ms of its abort, got no end`,
  );
}

async function checkLeft(subject: ConnectorSubject): Promise<void> {
  const use = async (source: OpenSource): Promise<void> =>
    withConnectorProcess(subject, source, async (plugin, opened) => {
      const question = firstQuestion(opened, subject);
      await plugin.call({ verb: 'ask', ...(question as { dataset: string }) });
      for await (const said of saidBy(plugin)) void said;
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
      needsNetwork(subject);
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
    (subject) => (isConnectorSubject(subject) ? checkAbort(subject) : checkAbortedWrite(subject)),
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
