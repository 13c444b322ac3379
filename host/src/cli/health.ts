import { z } from 'zod';
import type { HostConfig } from '../config/host-config.ts';
import { loadConfig, type CommandLine } from '../config/load-config.ts';
import { variables } from '../config/variables.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { readDataDirLock } from '../storage/data-dir-lock.ts';
import { print, printJson } from './output.ts';

/** Options of `otw health`. */
export interface HealthOptions extends CommandLine {
  readonly json?: boolean;
  /** Of the host that is asked; default this one. */
  readonly url?: string;
}

// Shorter than the time-out of a container's health check, so that our line is what is kept of it.
const answerWithinMs = 4_000;

const refusal = z.object({ code: z.string(), message: z.string() });

function origin(text: string): string {
  const url = variables.API_BASE_URL.parse(text);
  if (url !== undefined) return url;
  const { expected, example } = variables.API_BASE_URL;
  throw new HostError(exitCodes.usage, `--url: expected ${expected}; for example --url ${example}`);
}

// Whoever listens on every address also listens on this one.
const nearest: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** Where this host is: on the port a running one has told, else on the one that is configured. */
export function ownOrigin({ dataDir, databaseUrl, host, port }: HostConfig): string {
  const told = databaseUrl === undefined ? readDataDirLock(dataDir)?.url : undefined;
  const listening = told === undefined ? undefined : new URL(told);
  const name = listening?.hostname.replace(/^\[|\]$/g, '') ?? host;
  const local = nearest[name] ?? name;
  return `http://${local.includes(':') ? `[${local}]` : local}:${listening?.port ?? port}`;
}

/** Why the host is not ready, in one line; undefined when it is. */
async function problem(url: string, apiKey: string | undefined): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/v1/health/ready`, {
      ...(apiKey !== undefined && { headers: { authorization: `Bearer ${apiKey}` } }),
      signal: AbortSignal.timeout(answerWithinMs),
      redirect: 'error',
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok) return undefined;
    const { data } = refusal.safeParse(body);
    return data ? `${data.code}: ${data.message}` : `HTTP ${response.status}`;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError')
      return `no answer within ${answerWithinMs / 1000} s`;
    const cause = error instanceof Error ? error.cause : undefined;
    return cause instanceof Error && 'code' in cause ? `no answer (${String(cause.code)})` : 'no answer';
  }
}

/** `otw health`: whether a host is ready, for health checks of containers. Opens no database. */
export async function healthCommand({ url: given, json, ...commandLine }: HealthOptions): Promise<number> {
  const config = await loadConfig({
    cwd: process.cwd(),
    env: process.env,
    commandLine: { ...commandLine, preferReal: true },
  });
  const url = given === undefined ? ownOrigin(config) : origin(given);
  const found = await problem(url, config.http.apiKey);
  if (json === true) printJson({ url, ready: found === undefined, problem: found ?? null });
  else if (found === undefined) print(`${url} is ready`);
  if (found === undefined) return exitCodes.done;
  if (json === true) return exitCodes.unreachable;
  throw new HostError(exitCodes.unreachable, `Expected ${url} to be ready, but: ${found}`);
}
