import { failureOf } from '@on-the-way/core';
import type { ConnectionConfig } from '../config/host-config.ts';
import { exitCodes } from '../host-error.ts';
import { chosenConnection, withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { exitCodeOfError } from './exit-code.ts';
import { paint, print, printJson } from './output.ts';
import { terminalPrompt } from './prompt.ts';

interface CheckLine {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly exitCode: number;
}

async function checkConnection({ host }: CommandContext, connection: ConnectionConfig): Promise<CheckLine> {
  const prompt = terminalPrompt();
  const signal = AbortSignal.timeout(120_000);
  const what = `connection ${connection.name}`;
  try {
    const detail = await host.service.withConnector(
      connection,
      { signal, ...(prompt && { prompt }) },
      async (connector) => {
        await connector.check(signal);
        return `logged in as account ${connector.accountRef}, ${connector.datasets.length} datasets can be read`;
      },
    );
    return { what, ok: true, detail, exitCode: exitCodes.done };
  } catch (error) {
    const { code, message } = failureOf(error);
    const exitCode = exitCodeOfError(code);
    return { what, ok: false, detail: `${code}: ${message}`, exitCode };
  }
}

async function checkSink({ host }: CommandContext, name: string): Promise<CheckLine> {
  const what = `sink ${name}`;
  try {
    await host.sinks.open(name);
    return { what, ok: true, detail: 'opened', exitCode: exitCodes.done };
  } catch (error) {
    const { code, message } = failureOf(error);
    const exitCode = code === 'config' ? exitCodes.badConfig : exitCodes.unreachable;
    return { what, ok: false, detail: `${code}: ${message}`, exitCode };
  }
}

/** `otw check`: configuration, database, login and one cheap read; a line each, ok or what to do. */
export function checkCommand(name: string | undefined, options: GlobalOptions): Promise<number> {
  return withContext(options, { role: 'check', source: true }, async (context) => {
    const { config, redactor } = context;
    const chosen = name === undefined ? config.connections : [chosenConnection(config, name)];
    const sinks = [...new Set(chosen.map(({ sink }) => sink))];
    const lines: CheckLine[] = [
      { what: 'configuration', ok: true, detail: `from ${config.origin}`, exitCode: 0 },
      { what: 'database', ok: true, detail: 'reachable, tables in place', exitCode: 0 },
    ];
    for (const sink of sinks) lines.push(await checkSink(context, sink));
    for (const connection of chosen) lines.push(await checkConnection(context, connection));
    if (options.json === true) {
      printJson({
        checks: lines.map(({ what, ok, detail }) => ({ what, ok, detail: redactor.redact(detail) })),
      });
    } else {
      for (const { what, ok, detail } of lines) {
        print(`${paint(ok ? 'green' : 'red', ok ? 'ok    ' : 'failed')} ${what}: ${redactor.redact(detail)}`);
      }
    }
    return lines.find(({ ok }) => !ok)?.exitCode ?? exitCodes.done;
  });
}
