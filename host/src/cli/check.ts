import { z } from 'zod';
import { checkConnection, type Checked } from '../check-connection.ts';
import { exitCodes } from '../host-error.ts';
import { chosenConnection, withContext } from './context.ts';
import { exitCodeOfError } from './exit-code.ts';
import { paint, print, printJson } from './output.ts';
import { terminalPrompt } from './prompt.ts';
import { findRemote, remoteConnection, viaRemote, type Remote, type RemoteOptions } from './remote.ts';

interface CheckLine {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly exitCode: number;
}

const checkWithinMs = 120_000;

const checkAnswer = z.object({
  check: z.object({
    parts: z.array(
      z.object({
        what: z.enum(['sink', 'connection']),
        name: z.string(),
        ok: z.boolean(),
        code: z.string().nullable(),
        message: z.string(),
      }),
    ),
  }),
});

function good(what: string, detail: string): CheckLine {
  return { what, ok: true, detail, exitCode: exitCodes.done };
}

function lineOf({ what, name, ok, code, message }: Checked): CheckLine {
  const otherwise = what === 'sink' ? exitCodes.unreachable : exitCodes.failed;
  return {
    what: `${what} ${name}`,
    ok,
    detail: ok ? message : `${code}: ${message}`,
    exitCode: ok ? exitCodes.done : exitCodeOfError(code ?? undefined, otherwise),
  };
}

/** One line for a sink that several connections share. */
function linesOf(found: readonly Checked[]): CheckLine[] {
  const byName = new Map(found.map((part) => [`${part.what} ${part.name}`, part]));
  const sinksFirst = [...byName.values()].toSorted(
    (a, b) => Number(b.what === 'sink') - Number(a.what === 'sink'),
  );
  return sinksFirst.map(lineOf);
}

async function checkByHost(remote: Remote, name: string | undefined): Promise<CheckLine[]> {
  const { client, connections } = remote;
  const chosen = name === undefined ? connections : [remoteConnection(remote, name)];
  return viaRemote(client, async () => {
    const found: Checked[] = [];
    for (const { name: each } of chosen) {
      const path = `/v1/connections/${each}/check`;
      // The host gives up by itself, with a better word for it.
      const request = { method: 'POST', path, withinMs: checkWithinMs + 10_000 } as const;
      found.push(...(await client.send(request, checkAnswer)).check.parts);
    }
    return [good('host', `answers at ${client.origin}`), ...linesOf(found)];
  });
}

function checkHere(name: string | undefined, options: RemoteOptions): Promise<CheckLine[]> {
  let lines: CheckLine[] = [];
  return withContext(options, { role: 'check', source: true }, async ({ config, host, redactor }) => {
    const prompt = terminalPrompt();
    const found: Checked[] = [];
    for (const connection of name === undefined ? config.connections : [chosenConnection(config, name)]) {
      const signal = AbortSignal.timeout(checkWithinMs);
      const parts = { sink: (sink: string) => host.sinks.open(sink), service: host.service };
      found.push(...(await checkConnection(parts, connection, { signal, ...(prompt && { prompt }) })));
    }
    lines = [
      good('configuration', `from ${config.origin}`),
      good('database', 'reachable, tables in place'),
      ...linesOf(found).map((line) => ({ ...line, detail: redactor.redact(line.detail) })),
    ];
    return exitCodes.done;
  }).then(() => lines);
}

/** `otw check`: configuration, database, login and one cheap read; a line each, ok or what to do. */
export async function checkCommand(name: string | undefined, options: RemoteOptions): Promise<number> {
  const remote = await findRemote(options);
  const lines = remote ? await checkByHost(remote, name) : await checkHere(name, options);
  if (options.json === true) {
    printJson({ checks: lines.map(({ what, ok, detail }) => ({ what, ok, detail })) });
  } else {
    for (const { what, ok, detail } of lines)
      print(`${paint(ok ? 'green' : 'red', ok ? 'ok    ' : 'failed')} ${what}: ${detail}`);
  }
  return lines.find(({ ok }) => !ok)?.exitCode ?? exitCodes.done;
}
