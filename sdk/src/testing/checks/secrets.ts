import { z } from 'zod';
import type { JsonValue } from '../../json.ts';
import { secretsOf } from '../../secret.ts';
import { expectThat, pluginCheck, type Check } from '../check.ts';
import { tokensIn } from './auth.ts';
import { eachFault, firstQuestions } from './errors.ts';
import { secretPlaces, valuesAt } from './secret-places.ts';
import { sampleEvents } from '../events.ts';
import {
  saidBy,
  startPluginProcess,
  ThrownByPlugin,
  withConnectorProcess,
  withSinkProcess,
  type PluginProcess,
} from '../plugin-process.ts';
import { isConnectorSubject, type ConnectorSubject, type OpenSource, type SinkSubject } from '../subject.ts';
import { withSource, type SourceContext } from '../with-source.ts';

// Shorter ones are found in everything.
const shortest = 6;

function textsIn(value: JsonValue | undefined): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((part) => textsIn(part as JsonValue));
}

/** Everything secret in a configuration: what is marked, and what has the name of a secret, at whatever depth. */
function secretsIn(schema: z.ZodType, config: unknown): string[] {
  const places = secretPlaces(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  const named = places.flatMap(({ path }) => valuesAt(config, path));
  return [...secretsOf(schema, config), ...named.filter((value) => typeof value === 'string')];
}

/** A secret as it is, and as it looks in an address and in JSON. */
function formsOf(secret: string): string[] {
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
}

/** What a text says in base64, as Basic authentication does; from each of four places, since a run may begin with other letters. */
function decodedFrom(text: string): string {
  const runs = text.match(/[\w+/-]{8,}/g) ?? [];
  const starts = runs.flatMap((run) => [0, 1, 2, 3].map((start) => run.slice(start)));
  return starts.map((run) => Buffer.from(run, 'base64').toString('latin1')).join('\n');
}

function expectSilence(where: string, text: string, secrets: Iterable<string>): void {
  const decoded = decodedFrom(text);
  for (const secret of [...secrets].filter(({ length }) => length >= shortest)) {
    const isThere =
      formsOf(secret).some((form) => text.includes(form)) ||
      decoded.includes(Buffer.from(secret).toString('latin1'));
    // Which one it is can be told by its beginning; the rest stays out of this message too.
    expectThat(
      !isThere,
      () => `Expected no secret in ${where}, found the one that begins with ${secret.slice(0, 3)}`,
    );
  }
}

/** What the source hands out while access is given or renewed is secret from then on. */
function watchTokens({ server, source }: SourceContext, secrets: Set<string>): void {
  server.seen = (request, reply) => {
    if (!reply || !(source.isSignIn?.(request) === true || source.renewal?.matches(request) === true)) return;
    for (const text of tokensIn(reply)) secrets.add(text);
  };
}

/** Reads every dataset, meets every fault, logs out; then looks into everything that came out of the process. */
async function checkConnector(subject: ConnectorSubject): Promise<void> {
  await withSource(subject, async (context) => {
    const { source } = context;
    const secrets = new Set([...secretsIn(subject.plugin.config, source.config), ...textsIn(source.tokens)]);
    watchTokens(context, secrets);
    await withConnectorProcess(subject, source, async (plugin, opened) => {
      await source.renewal?.expire();
      for (const question of firstQuestions(opened, subject)) {
        await plugin.call({ verb: 'ask', ...question });
        for await (const said of saidBy(plugin)) expectSilence('a record', JSON.stringify(said), secrets);
      }
      expectSilence('what the plugin printed or logged', plugin.said(), secrets);
      if (subject.open) {
        const questions = firstQuestions(opened, subject);
        await eachFault(subject, plugin, { questions, context }, ({ dataset, thrown }, { name }) => {
          expectSilence(`the error of ${dataset} under ${name}`, thrown?.shown ?? '', secrets);
        });
      }
      await plugin.call({ verb: 'close' }).catch(() => undefined);
      expectSilence('what the plugin printed or logged under faults', plugin.said(), secrets);
    });
    await checkRefused(subject, context);
  });
}

/** Credentials that are refused must not be quoted either. */
async function checkRefused(
  subject: ConnectorSubject,
  { source: { refused } }: SourceContext,
): Promise<void> {
  if (!refused) return;
  const { config, tokens = {} } = refused as OpenSource;
  const secrets = [...secretsIn(subject.plugin.config, config), ...textsIn(tokens)];
  const plugin: PluginProcess = startPluginProcess();
  try {
    await plugin.call({ verb: 'open', module: subject.module, config, tokens });
  } catch (error) {
    if (!(error instanceof ThrownByPlugin)) throw error;
    expectSilence('the error of a refused login', error.thrown.shown, secrets);
  } finally {
    await plugin.kill();
  }
  expectSilence('what a refused login printed or logged', plugin.said(), secrets);
}

async function checkSink(subject: SinkSubject): Promise<void> {
  const target = await subject.open();
  try {
    const secrets = secretsIn(subject.plugin.config, target.config);
    await withSinkProcess(subject, target.config, async (plugin) => {
      const result = await plugin.call({ verb: 'write', batch: sampleEvents(subject, 3) });
      expectSilence('what a write answers', JSON.stringify(result), secrets);
      await plugin.call({ verb: 'closeSink' });
      expectSilence('what the sink printed or logged', plugin.said(), secrets);
    });
    expectSilence('the rows', JSON.stringify(await target.stored()), secrets);
  } finally {
    await target.close?.();
  }
}

/** 11: what must not be seen. */
export const secretChecks: readonly Check[] = [
  pluginCheck(
    {
      id: 11,
      topic: 'Secrets',
      title: 'no secret comes out in print, logs, errors, records or rows',
      why: 'Logs are shared with strangers when help is asked for.',
    },
    (subject) => (isConnectorSubject(subject) ? checkConnector(subject) : checkSink(subject)),
  ),
];
