import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { History, Operation } from './history.ts';
import { accountOf, optionsVariable, type HostCommand, type HostProcessOptions } from './host-options.ts';
import { passwordOf } from './verifiable-source.ts';

/** A host process under the suite's hands. */
export interface ChaosHost {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process is gone, with its exit code; null where it was killed. */
  readonly ended: Promise<number | null>;
  /** What it wrote to its log. */
  log(): string;
  command(command: HostCommand): void;
  /** Resolves with the next operation it tells of that matches; rejects when it ends without. */
  tells(matches: (operation: Operation) => boolean): Promise<Operation>;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

/** What a host is started with. */
export interface ChaosHostParts {
  readonly name: string;
  readonly history: History;
  readonly options: HostProcessOptions;
}

const entry = join(import.meta.dirname, 'host-process.ts');
const plugin = join(import.meta.dirname, 'verifiable-connector.ts');

function writeConfig({ folder, connections, origin, moments, backfillDays }: HostProcessOptions): void {
  mkdirSync(join(folder, 'data'), { recursive: true });
  const one = (name: string) => {
    const account = accountOf(name);
    return {
      plugin,
      config: { origin, account, password: passwordOf(account), moments },
      windowDays: 2,
      backfillDays,
      policies: { attempts: 3, firstRetryDelayMs: 20, breakAfter: 100 },
    };
  };
  const config = { connections: Object.fromEntries(connections.map((name) => [name, one(name)])) };
  writeFileSync(join(folder, 'otw.config.json'), JSON.stringify(config));
}

function spawnHost(options: HostProcessOptions): ChildProcess {
  return spawn(process.execPath, ['--conditions=@on-the-way/source', entry], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: tmpdir(),
      NODE_COMPILE_CACHE: join(tmpdir(), 'otw-test-compile-cache'),
      [optionsVariable]: JSON.stringify(options),
    },
  });
}

/** Starts one; what it tells goes into the history under its name. */
export function startChaosHost({ name, history, options }: ChaosHostParts): ChaosHost {
  writeConfig(options);
  const child = spawnHost(options);
  const waiting = new Set<(operation: Operation) => void>();
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
  child.stdin?.on('error', () => undefined);
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { at, ...operation } = JSON.parse(line) as Omit<Operation, 't' | 'proc'> & {
        readonly at: number;
      };
      const told = history.add({ ...operation, proc: name }, at);
      for (const hear of waiting) hear(told);
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  const note = (op: string): void =>
    void history.add({ proc: 'suite', op, id: name, type: 'ok', detail: { pid: child.pid } });
  return {
    name,
    pid: child.pid ?? 0,
    ended,
    log: () => log,
    command: (command) => void child.stdin?.write(`${JSON.stringify(command)}\n`),
    tells: (matches) =>
      new Promise((resolve, reject) => {
        const hear = (operation: Operation): void => {
          if (!matches(operation)) return;
          waiting.delete(hear);
          resolve(operation);
        };
        waiting.add(hear);
        void ended.then((code) => {
          waiting.delete(hear);
          reject(new Error(`Expected ${name} to go on, it ended with ${code}:\n${log.slice(-3000)}`));
        });
      }),
    async kill() {
      note('kill');
      child.kill('SIGKILL');
      await ended;
    },
    freeze() {
      note('freeze');
      child.kill('SIGSTOP');
    },
    thaw() {
      note('thaw');
      child.kill('SIGCONT');
    },
  };
}
