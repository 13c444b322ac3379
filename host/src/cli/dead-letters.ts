import { readFileSync } from 'node:fs';
import { exitCodes, HostError } from '../host-error.ts';
import { isAgreed } from './agreed.ts';
import { withContext } from './context.ts';
import { lettersByHost, lettersHere, type Letters, type ShownLetter } from './letters.ts';
import { formatTable, print, printJson, say } from './output.ts';
import { findRemote, type RemoteOptions } from './remote.ts';

/** Options of `otw dead-letters`. */
export interface DeadLettersOptions extends RemoteOptions {
  readonly connection?: string;
  readonly limit?: number;
  readonly payload?: string;
  readonly yes?: boolean;
}

type Action = (letters: Letters, id: string, options: DeadLettersOptions) => Promise<number>;

const usual = 50;

async function list(letters: Letters, options: DeadLettersOptions): Promise<number> {
  const { connection, limit = usual } = options;
  const items = await letters.list({ ...(connection !== undefined && { connection }), limit });
  if (options.json === true) printJson({ dead_letters: items });
  else {
    const rows = items.map((item) => [
      item.id,
      item.connection,
      item.external_id,
      item.attempts,
      item.last_attempt_at ?? '',
      item.error_code,
    ]);
    print(formatTable(['id', 'connection', 'event', 'attempts', 'last', 'why'], rows));
    if (items.length === limit) say(`The newest ${limit}; there may be more: --limit`);
  }
  return exitCodes.done;
}

function showLetter({ payload, ...letter }: ShownLetter): void {
  const rows = Object.entries(letter).map(([name, value]) => [name, value === null ? '' : String(value)]);
  print(`${formatTable(['', ''], rows).trimStart()}\n\n${payload ?? ''}`);
}

const show: Action = async (letters, id, { json }) => {
  const letter = await letters.get(id);
  if (json === true) printJson({ dead_letter: letter });
  else showLetter(letter);
  return exitCodes.done;
};

const replay: Action = async (letters, id, { json, payload: file }) => {
  const payload = file === undefined ? undefined : readFileSync(file, 'utf8');
  const replayed = await letters.replay(id, payload);
  const { outcome } = replayed;
  const error = 'error' in replayed ? replayed.error : null;
  if (json === true) printJson({ id, outcome, error });
  else if (error) print(`${id} was refused again and waits on: ${error.code}: ${error.message}`);
  else print(outcome === 'written' ? `${id} is stored.` : `${id} was stored already, equal.`);
  return error ? exitCodes.incomplete : exitCodes.done;
};

const drop: Action = async (letters, id, { json, yes }) => {
  const question = `Forget the dead letter ${id} and what it holds, for good?`;
  if (!(await isAgreed({ question, example: `otw dead-letters drop ${id} --yes`, yes }))) {
    say('Nothing was changed.');
    return exitCodes.done;
  }
  await letters.drop(id);
  if (json === true) printJson({ id, dropped: true });
  else print(`${id} is gone.`);
  return exitCodes.done;
};

const actions: Readonly<Record<string, Action>> = { show, replay, drop };

function work(
  action: string,
  id: string | undefined,
  options: DeadLettersOptions,
): (letters: Letters) => Promise<number> {
  if (action === 'list') return (letters) => list(letters, options);
  const chosen = actions[action];
  if (!chosen) {
    const message = `Expected list, show, replay or drop, found ${JSON.stringify(action)}; for example otw dead-letters list`;
    throw new HostError(exitCodes.usage, message);
  }
  if (id !== undefined && /^[0-9a-f-]{36}$/.test(id)) return (letters) => chosen(letters, id, options);
  throw new HostError(
    exitCodes.usage,
    `Expected the id of a dead letter, found ${id === undefined ? 'none' : JSON.stringify(id)}; otw dead-letters list shows them`,
  );
}

/** `otw dead-letters`: looks at what sinks refused, writes it again, or lets it go. */
export async function deadLettersCommand(
  action: string | undefined,
  id: string | undefined,
  options: DeadLettersOptions,
): Promise<number> {
  const does = work(action ?? 'list', id, options);
  // Looking at them needs no host, unless one was named.
  const remote = action === 'replay' || options.api !== undefined ? await findRemote(options) : undefined;
  if (remote) return does(lettersByHost(remote));
  return withContext(options, { role: 'dead-letters' }, (context) => does(lettersHere(context)));
}
