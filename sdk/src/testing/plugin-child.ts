// A process that holds one plugin for a check which kills it, measures it or looks at what it prints.
// Started by plugin-process.ts, answers over Node's channel.
import { subscribe } from 'node:diagnostics_channel';
import { flushCompileCache } from 'node:module';
import { inspect } from 'node:util';
import { isCheckpoint } from '../checkpoint.ts';
import { ConnectorError } from '../errors.ts';
import { isRawJson } from '../json.ts';
import type { Log } from '../log.ts';
import type { Connector } from '../connector.ts';
import type { Sink, SinkWriter } from '../sink.ts';
import { becomeMachine } from './machine.ts';
import { endsOf } from './ends.ts';
import { connectorOpened, type OpenedConnector } from './open-connector.ts';
import type { EndThere, ProcessAnswer, ProcessRequest, ThrownThere } from './process-protocol.ts';
import { memoryTokens, type MemoryTokens } from './tokens.ts';

function tell(answer: ProcessAnswer): void {
  process.send?.(answer);
}

function thrown(error: unknown): ThrownThere {
  const isError = error instanceof Error;
  const isConnectorError = ConnectorError.is(error);
  return {
    isError,
    isConnectorError,
    ...(isConnectorError && { code: error.code }),
    message: isError ? error.message : String(error),
    shown: inspect(error, { depth: 8 }),
  };
}

const say = (message: string, fields?: object): void =>
  tell({ said: 'log', text: `${message} ${inspect(fields ?? {}, { depth: 8 })}` });
const log: Log = { debug: say, info: say, warn: say };

let connector: Connector;
let sessions: OpenedConnector[] = [];
let opened: OpenedConnector;
let answers: AsyncIterator<unknown>;
let writer: SinkWriter;
// Kept from one login to the next, as a host does: a refresh token may be good for one use.
let tokens: MemoryTokens | undefined;

async function load<Plugin>(module: string): Promise<Plugin> {
  const { default: plugin } = (await import(module)) as { default: Plugin };
  // At its end would be too late: most of these processes are killed.
  flushCompileCache();
  return plugin;
}

function charactersOf(record: { readonly data?: unknown }): number {
  const { data } = record;
  return isRawJson(data) ? data.rawJson.length : (JSON.stringify(data)?.length ?? 0);
}

async function answer(request: ProcessRequest): Promise<unknown> {
  switch (request.verb) {
    case 'open': {
      const { module, config, machine } = request;
      if (machine) becomeMachine(machine);
      tokens ??= memoryTokens(request.tokens);
      connector = await load<Connector>(module);
      sessions = [];
      for (let count = 0; count < (request.sessions ?? 1); count += 1)
        sessions.push(await connectorOpened({ plugin: connector }, { source: { config } }, { log, tokens }));
      [opened] = sessions as [OpenedConnector];
      return { account: connector.account(opened.session), datasets: opened.datasets };
    }
    case 'ask':
      answers = opened.ask(request)[Symbol.asyncIterator]();
      return null;
    case 'next': {
      const { value, done } = await answers.next();
      if (done === true) return {};
      return isCheckpoint(value) ? { checkpoint: { cursor: value.cursor } } : { record: value };
    }
    case 'drain': {
      let characters = 0;
      for await (const said of opened.ask(request)) characters += charactersOf(said as { data?: unknown });
      return characters;
    }
    case 'meet': {
      const ends = await endsOf(sessions, request);
      return ends.map((end): EndThere => {
        const { dataset, how } = end;
        return how === 'threw' ? { dataset, how, thrown: thrown(end.error) } : { dataset, how };
      });
    }
    case 'close':
      for (const session of sessions) await session.close();
      return null;
    case 'openSink': {
      const sink = await load<Sink>(request.module);
      writer = await sink.open({ config: sink.config.parse(request.config), log });
      return null;
    }
    case 'write':
      return writer.write(request.batch, { signal: new AbortController().signal });
    case 'closeSink':
      return writer.close();
    default:
      return request satisfies never;
  }
}

// Let go, a process is to end by itself; whoever looks at that waits for two seconds. One whose parent died must not stay.
const longestAloneMs = 10_000;
process.on('disconnect', () => setTimeout(() => process.exit(1), longestAloneMs).unref());
for (const channel of ['net.client.socket', 'udp.socket'])
  subscribe(channel, () => tell({ said: 'connecting' }));
process.on('unhandledRejection', (error) => tell({ said: 'unhandled', thrown: thrown(error) }));
process.on('uncaughtException', (error) => tell({ said: 'unhandled', thrown: thrown(error) }));
/** What a plugin yields may be nothing that can cross: then that is the answer. */
function answerWith(id: number, result: unknown): void {
  try {
    tell({ id, ok: true, result: result ?? null });
  } catch (error) {
    tell({ id, ok: false, thrown: thrown(error) });
  }
}

process.on('message', ({ id, ...request }: ProcessRequest & { readonly id: number }) => {
  answer(request as ProcessRequest).then(
    (result) => answerWith(id, result),
    (error: unknown) => tell({ id, ok: false, thrown: thrown(error) }),
  );
});
