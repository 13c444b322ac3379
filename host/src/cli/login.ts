import { text } from 'node:stream/consumers';
import { failureOf, type Failure } from '@on-the-way/core';
import { formatInstant, type SignIn } from '@on-the-way/sdk';
import { exitCodes, HostError } from '../host-error.ts';
import { chosenConnection, withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { exitCodeOfError } from './exit-code.ts';
import { readImportedTokens } from './imported-tokens.ts';
import { print, printJson, say, simulatedNote } from './output.ts';
import { terminalPrompt } from './prompt.ts';

/** Options of `otw login`; true where an option was given without its value. */
export interface LoginOptions extends GlobalOptions {
  readonly import?: string | true;
  readonly ticket?: string | true;
  readonly code?: string;
}

function valueOf(option: string | true): string | undefined {
  return option === true ? undefined : option;
}

/** The one way in that the options name. */
async function signInOf(options: LoginOptions): Promise<SignIn> {
  const { import: from, ticket, code } = options;
  const ways = { '--import': from, '--ticket': ticket, '--code': code };
  const given = Object.entries(ways).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    const names = given.map(([name]) => name).join(' and ');
    throw new HostError(
      exitCodes.usage,
      `Expected one way to sign in, found ${names}; for example otw login garmin --import ~/.garminconnect`,
    );
  }
  if (from !== undefined) {
    const readInput = (): Promise<string> => text(process.stdin);
    return {
      way: 'import',
      files: await readImportedTokens({ from: valueOf(from), env: process.env, readInput }),
    };
  }
  if (ticket !== undefined) {
    const value = valueOf(ticket);
    return { way: 'ticket', ...(value !== undefined && { ticket: value }) };
  }
  return { way: 'ask', ...(code !== undefined && { code }) };
}

function showFailure(
  { config, redactor }: CommandContext,
  connection: string,
  { code, message, retryAfterMs }: Failure,
  json: boolean,
): number {
  const clean = redactor.redact(message);
  const isPaused = code === 'rate_limited' && retryAfterMs !== undefined;
  const notBefore = isPaused ? formatInstant(Date.now() + retryAfterMs, config.timeZone) : null;
  if (json) printJson({ connection, error: { code, message: clean }, not_before: notBefore });
  say(`${code}: ${clean}`);
  return exitCodeOfError(code);
}

async function signIn(
  context: CommandContext,
  name: string | undefined,
  options: LoginOptions,
  signal: AbortSignal,
): Promise<number> {
  const { config, host, redactor } = context;
  const connection = chosenConnection(config, name);
  const json = options.json === true;
  const wanted = await signInOf(options);
  redactor.addAllIn(wanted);
  if (options.code !== undefined) redactor.add([options.code]);
  const prompt = terminalPrompt();
  if (config.demo) say(simulatedNote);
  try {
    const { accountRef, datasets, notSupported } = await host.signIns.signIn(connection, {
      signIn: wanted,
      signal,
      ...(prompt && { prompt }),
    });
    if (json) {
      printJson({
        connection: connection.name,
        account_ref: accountRef,
        datasets,
        not_supported: notSupported,
      });
    } else {
      const rest = notSupported === 0 ? '' : `; ${notSupported} cannot with this way of signing in`;
      print(
        `Signed in to ${connection.name} as account ${accountRef}: ${datasets} datasets can be read${rest}.`,
      );
      say(`Next: otw run ${connection.name}, or otw start, which goes on by itself.`);
    }
    return exitCodes.done;
  } catch (error) {
    if (error instanceof HostError || signal.aborted) throw error;
    return showFailure(context, connection.name, failureOf(error), json);
  }
}

/** `otw login`: signs in anew, with whatever the person brings. */
export async function loginCommand(name: string | undefined, options: LoginOptions): Promise<number> {
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    const code = signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    if (stop.signal.aborted) process.exit(code);
    stop.abort(new HostError(code, 'Stopped; nobody was signed in.'));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    return await withContext(options, { role: 'login', source: true }, (context) =>
      signIn(context, name, options, stop.signal),
    );
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error;
  }
}
