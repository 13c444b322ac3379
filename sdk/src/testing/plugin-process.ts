import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Machine } from './machine.ts';
import type { OpenedThere, ProcessAnswer, ProcessRequest, Said, ThrownThere } from './process-protocol.ts';
import type { ConnectorSubject, OpenSource, SinkSubject } from './subject.ts';

/** What a plugin threw in its process. */
export class ThrownByPlugin extends Error {
  override readonly name = 'ThrownByPlugin';
  readonly thrown: ThrownThere;

  constructor(thrown: ThrownThere) {
    super(thrown.message);
    this.thrown = thrown;
  }
}

/** The process ended before it answered. */
class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
}

/** A plugin in a process of its own. */
export interface PluginProcess {
  /** Rejects with {@link ThrownByPlugin} what the plugin throws, with {@link ProcessEnded} when the process ends first. */
  call<Result>(request: ProcessRequest): Promise<Result>;
  /** What it printed and logged so far. */
  said(): string;
  /** Rejections that nobody handled, so far. */
  unhandled(): readonly ThrownThere[];
  /** Resolves when it connects to something for the first time. */
  readonly connecting: Promise<void>;
  /** Resident set in megabytes; undefined where the system does not tell. */
  residentMb(): number | undefined;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Lets it go and resolves with true if it ends by itself within the time. */
  endsWithin(milliseconds: number): Promise<boolean>;
}

// Run from source this file is TypeScript, and so is everything the process loads.
const extension = extname(import.meta.filename);
const childFile = join(import.meta.dirname, `plugin-child${extension}`);

function start(): ChildProcess {
  const { PATH, HOME, TMPDIR, NODE_EXTRA_CA_CERTS } = process.env;
  // Where Node itself would put it. Checks start dozens of processes that load the same modules.
  const { NODE_COMPILE_CACHE = join(tmpdir(), 'node-compile-cache') } = process.env;
  const env = Object.entries({ PATH, HOME, TMPDIR, NODE_EXTRA_CA_CERTS, NODE_COMPILE_CACHE }).filter(
    ([, value]) => value !== undefined,
  );
  return fork(childFile, [], {
    execArgv: extension === '.ts' ? ['--conditions=@on-the-way/source'] : [],
    env: Object.fromEntries(env),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Starts a process for a plugin. Kill it, or let it end. */
export function startPluginProcess(): PluginProcess {
  const child = start();
  const waiting = new Map<number, Waiting>();
  const unhandled: ThrownThere[] = [];
  const connecting = Promise.withResolvers<void>();
  let said = '';
  let last = 0;
  const hear = (text: Buffer | string): void => void (said += text.toString());
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  child.on('message', (answer: ProcessAnswer) => {
    if ('said' in answer) {
      if (answer.said === 'log') return hear(answer.text);
      if (answer.said === 'connecting') return connecting.resolve();
      return void unhandled.push(answer.thrown);
    }
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.ok) asked?.resolve(answer.result);
    else asked?.reject(new ThrownByPlugin(answer.thrown));
  });
  const gone = once(child, 'exit').then(() => {
    for (const { reject } of waiting.values())
      reject(new ProcessEnded(`The process ended. It said: ${said}`));
    waiting.clear();
  });
  return {
    call<Result>(request: ProcessRequest) {
      return new Promise<Result>((resolve, reject) => {
        if (!child.connected) return reject(new ProcessEnded(`The process is gone. It said: ${said}`));
        last += 1;
        waiting.set(last, { resolve: resolve as Waiting['resolve'], reject });
        child.send({ ...request, id: last });
      });
    },
    said: () => said,
    unhandled: () => unhandled,
    connecting: connecting.promise,
    residentMb: () => residentMb(child.pid),
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
    async endsWithin(milliseconds) {
      if (child.connected) child.disconnect();
      const timer = new AbortController();
      const late = new Promise<boolean>((resolve) => {
        const timeout = setTimeout(resolve, milliseconds, false);
        timer.signal.addEventListener('abort', () => clearTimeout(timeout));
      });
      const inTime = await Promise.race([gone.then(() => true), late]);
      timer.abort();
      if (!inTime) await this.kill();
      return inTime;
    },
  };
}

function residentMb(pid: number | undefined): number | undefined {
  if (pid === undefined || process.platform !== 'linux') return undefined;
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    // It has just ended.
    return undefined;
  }
}

/** Runs `use` with the subject's connector logged in, in a process of its own, which is gone afterwards. */
export async function withConnectorProcess<Result>(
  { module, machine }: Pick<ConnectorSubject, 'module'> & { readonly machine?: Machine },
  { config, tokens = {} }: Pick<OpenSource, 'config' | 'tokens'>,
  use: (process: PluginProcess, opened: OpenedThere) => Promise<Result>,
): Promise<Result> {
  const plugin = startPluginProcess();
  const request = { verb: 'open', module, config, tokens } as const;
  try {
    return await use(plugin, await plugin.call<OpenedThere>({ ...request, ...(machine && { machine }) }));
  } finally {
    await plugin.kill();
  }
}

/** Runs `use` with the subject's sink open, in a process of its own, which is gone afterwards. */
export async function withSinkProcess<Result>(
  { module }: Pick<SinkSubject, 'module'>,
  config: OpenSource['config'],
  use: (process: PluginProcess) => Promise<Result>,
): Promise<Result> {
  const plugin = startPluginProcess();
  try {
    await plugin.call({ verb: 'openSink', module, config });
    return await use(plugin);
  } finally {
    await plugin.kill();
  }
}

/** Everything that comes to the question that was asked last, one by one. */
export async function* saidBy(plugin: PluginProcess): AsyncGenerator<Said> {
  for (;;) {
    const said = await plugin.call<Said>({ verb: 'next' });
    if (!said.record && !said.checkpoint) return;
    yield said;
  }
}
