// What the launcher's tests share: hosts in processes of their own, and questions to their databases.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const fixture = fileURLToPath(new URL('./embedded-host-process.ts', import.meta.url));

/** One line that the fixture tells. */
export interface HostEvent {
  readonly event: 'log' | 'ready' | 'stopped' | 'error';
  readonly url: string;
  readonly pid: number;
  readonly code: string;
  readonly message: string;
}

/** A host in a process of its own; `next` resolves with the first such event. */
export interface TestHost {
  readonly child: ChildProcess;
  next(event: HostEvent['event']): Promise<HostEvent>;
}

interface HostOptions {
  readonly directory: string;
  readonly durable: boolean;
  readonly binaries?: string;
}

/** Starts the fixture, as another user where one is given. */
export function startHost(
  options: HostOptions,
  user?: { readonly uid: number; readonly gid: number },
): TestHost {
  const child = spawn(process.execPath, [fixture, JSON.stringify(options)], {
    ...user,
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'otw-test-compile-cache') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const seen: HostEvent[] = [];
  const waiting: {
    event: string;
    resolve: (event: HostEvent) => void;
    reject: (error: Error) => void;
  }[] = [];
  createInterface(child.stdout).on('line', (line) => {
    const event = JSON.parse(line) as HostEvent;
    seen.push(event);
    for (const each of waiting) if (each.event === event.event) each.resolve(event);
  });
  child.once('close', (code, signal) => {
    const said = JSON.stringify(seen.at(-1));
    for (const { event, reject } of waiting)
      reject(new Error(`Expected ${event}, but the host ended with ${code ?? signal} after ${said}`));
  });
  const next = (event: string) =>
    new Promise<HostEvent>((resolve, reject) => {
      const found = seen.find((each) => each.event === event);
      if (found) resolve(found);
      else waiting.push({ event, resolve, reject });
    });
  return { child, next };
}

/** Why this user could not run the fixture, or undefined when he can. */
export function whyNot(user: { readonly uid: number; readonly gid: number }): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root, to become another user';
  const code = `require('node:fs').readFileSync(${JSON.stringify(fixture)})`;
  const { status } = spawnSync(process.execPath, ['-e', code], { ...user, cwd: '/' });
  return status === 0 ? undefined : `user ${user.uid} cannot read this clone`;
}

/** One query, or several without parameters, on a connection of its own; answers the last one's first row. */
export async function ask(url: string, text: string): Promise<Record<string, unknown> | undefined> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const results = [await client.query(text)].flat();
    return results.at(-1)?.rows[0];
  } finally {
    await client.end();
  }
}

/** The system's Postgres 15 (or whatever is newest there), and why it is left out where it is not there. */
export const debianBinaries = '/usr/lib/postgresql/15/bin';
export const hasDebian = existsSync(`${debianBinaries}/initdb`);
