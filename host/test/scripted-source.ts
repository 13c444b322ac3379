import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { daysOf, type ConnectorErrorCode, type Day, type JsonValue, type Window } from '@on-the-way/sdk';

/** What the source answers to one request. */
export interface ScriptedAnswer {
  readonly error?: {
    readonly code: ConnectorErrorCode;
    readonly message: string;
    readonly status?: number;
    readonly retryAfterMs?: number;
    readonly refusedSignIn?: boolean;
  };
  /** The connector's process ends. */
  readonly exit?: boolean;
  readonly change?: string;
  readonly marks?: Readonly<Record<Day, string>>;
  readonly records?: readonly { readonly day: Day; readonly data: JsonValue; readonly note?: string }[];
}

/** A source of which a test decides what it answers, for the connector in fixtures/scripted.ts. */
export interface ScriptedSource {
  readonly origin: string;
  /** Replace it to change what is answered: `dataset` is the name, or `login` (`login-paused` while no sign-in is wanted), `last-change` or `marks`. */
  answer: (dataset: string, window: Window) => ScriptedAnswer;
  /** Answers wait for it, where there is one; called with the request as `requests` shows it. */
  hold: ((request: string) => Promise<void>) | undefined;
  /** Requests since it was last called, as `sleep 2026-02-26` or `weight 2026-02-01..2026-02-28`. */
  requests(): string[];
  close(): Promise<void>;
}

/** One record for each day of the window. */
export function everyDay(window: Window): ScriptedAnswer {
  return { records: daysOf(window).map((day) => ({ day, data: { steps: 100 } })) };
}

function shown(name: string, { from, to }: Window): string {
  if (from === '') return name;
  const days = daysOf({ from, to });
  return days.length === 1 ? `${name} ${from}` : `${name} ${from}..${days.at(-1)}`;
}

/** Starts the source. */
export async function startScriptedSource(): Promise<ScriptedSource> {
  let seen: string[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://source');
    const name = url.pathname.split('/').at(-1) ?? '';
    const window = { from: url.searchParams.get('from') ?? '', to: url.searchParams.get('to') ?? '' };
    seen.push(shown(name, window));
    await source.hold?.(shown(name, window));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(source.answer(name, window)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const source: ScriptedSource = {
    origin: `http://127.0.0.1:${port}`,
    answer: (name, window) => (window.from === '' || name === 'marks' ? {} : everyDay(window)),
    hold: undefined,
    requests() {
      const since = seen;
      seen = [];
      return since;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return source;
}

/** The connector that asks it. */
export const scriptedPlugin = join(import.meta.dirname, 'fixtures', 'scripted.ts');
