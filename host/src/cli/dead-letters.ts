import { readFileSync, writeFileSync } from 'node:fs';
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

/** The key of an event, or the dataset and days that were set aside. */
function whatOf({ external_id: key, dataset, from, to }: ShownLetter): string {
  return key ?? `${dataset ?? ''} ${from === to ? from : `${from}..${to}`}`;
}

async function list(letters: Letters, options: DeadLettersOptions): Promise<number> {
  const { connection, limit = usual } = options;
  const items = await letters.list({ ...(connection !== undefined && { connection }), limit });
  if (options.json === true) printJson({ dead_letters: items });
  else {
    const rows = items.map((item) => [
      item.id,
      item.connection,
      whatOf(item),
      item.attempts,
      item.last_attempt_at ?? '',
      item.error_code,
    ]);
    print(formatTable(['id', 'connection', 'what', 'attempts', 'last', 'why'], rows));
    if (items.length === limit) say(`The newest ${limit}; there may be more: --limit`);
  }
  return exitCodes.done;
}

function showLetter({ payload, ...letter }: ShownLetter): void {
  const rows = Object.entries(letter).map(([name, value]) => [name, value === null ? '' : String(value)]);
  const text = payload === null || payload === undefined ? '' : `\n\n${payload}`;
  print(`${formatTable(['', ''], rows).trimStart()}${text}`);
}

/** Puts the payload where it can be corrected; nothing that is there is overwritten. */
function writePayload({ id, payload }: ShownLetter, file: string): void {
  if (payload === null || payload === undefined) {
    const message = `Expected a dead letter that holds an event, found days in ${id}: they have no payload`;
    throw new HostError(exitCodes.usage, message);
  }
  try {
    // What it holds is health data.
    writeFileSync(file, payload, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    const message = `--payload: expected the name of a new file to write to, found ${file} (${code})`;
    throw new HostError(exitCodes.usage, message, { cause });
  }
}

const show: Action = async (letters, id, { json, payload: file }) => {
  const letter = await letters.get(id);
  if (file !== undefined) {
    writePayload(letter, file);
    say(`Its payload is in ${file}: correct it, then otw dead-letters replay ${id} --payload ${file}`);
  }
  if (json === true) printJson({ dead_letter: letter });
  else showLetter(letter);
  return exitCodes.done;
};

const became = {
  written: 'is stored.',
  unchanged: 'was stored already, equal.',
  answered: 'is done: its days have an answer.',
  refused: 'was refused again and waits on.',
};

const replay: Action = async (letters, id, { json, payload: file }) => {
  const payload = file === undefined ? undefined : readFileSync(file, 'utf8');
  const replayed = await letters.replay(id, payload);
  const { outcome } = replayed;
  const error = 'error' in replayed ? replayed.error : null;
  if (json === true) printJson({ id, outcome, error });
  else if (error) print(`${id} was refused again and waits on: ${error.code}: ${error.message}`);
  else print(`${id} ${became[outcome]}`);
  return error ? exitCodes.incomplete : exitCodes.done;
};

const drop: Action = async (letters, id, { json, yes }) => {
  const question = `Forget the dead letter ${id} and what it holds, for good?`;
  if (!(await isAgreed({ question, example: `otw dead-letters drop ${id} --yes`, yes }))) {
    say('Nothing was changed.');
    return exitCodes.done;
  }
  const { kind, connection, dataset, from, to } = await letters.get(id);
  await letters.drop(id);
  if (json === true) printJson({ id, dropped: true });
  else print(`${id} is gone.`);
  if (kind === 'slice') {
    const wish = `--dataset ${dataset} --from ${from} --to ${to}`;
    say(
      `Its days stay set aside. Asked for again by: otw run ${connection} ${wish}; by a reset; by a newer plugin.`,
    );
  }
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
