import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import type { JsonValue } from '@on-the-way/sdk';
import { shownText } from '../config/shown-value.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { systemCode } from '../storage/storage-error.ts';

/** Tokens of another program, by the name of the file each was in, without `.json`. */
export type TokenFiles = Readonly<Record<string, JsonValue>>;

/** Where tokens may come from. */
export interface ImportSource {
  /** A path, tokens as they are, `-`; undefined to look where python-garminconnect leaves them. */
  readonly from: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads all of standard input. */
  readonly readInput: () => Promise<string>;
}

type JsonObject = { readonly [key: string]: JsonValue };

const knownNames = ['garmin_tokens', 'oauth1_token', 'oauth2_token'];
// What garmin-connect exports has these two beside each other.
const exportedNames: Readonly<Record<string, string>> = { oauth1: 'oauth1_token', oauth2: 'oauth2_token' };
const longestFile = 1024 * 1024;

const expected =
  'a token file (garmin_tokens.json, oauth1_token.json, oauth2_token.json), a folder with some, or their content';

function refuse(found: string): HostError {
  return new HostError(
    exitCodes.badConfig,
    `--import: expected ${expected}, found ${found}; for example --import ~/.garminconnect`,
  );
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON, or JSON in base64 as garth dumps it; what is neither is never shown. */
function parseTokens(text: string, where: string): JsonValue {
  const trimmed = text.trim();
  const isBase64 = /^[A-Za-z0-9+/_-]{20,}={0,2}$/.test(trimmed.replaceAll(/\s/g, ''));
  try {
    return JSON.parse(isBase64 ? Buffer.from(trimmed, 'base64').toString('utf8') : trimmed) as JsonValue;
  } catch (error) {
    // Without a cause: a SyntaxError quotes the text, and the text is a token.
    if (error instanceof SyntaxError) throw refuse(`something that is not JSON (not shown) in ${where}`);
    throw error;
  }
}

function nameByShape(value: JsonValue): string | undefined {
  if (!isObject(value)) return undefined;
  if ('di_token' in value) return 'garmin_tokens';
  if ('oauth_token' in value) return 'oauth1_token';
  return 'access_token' in value ? 'oauth2_token' : undefined;
}

/** A value's tokens by file name: several together, one of a known shape, or one under `name`. */
function filesOf(value: JsonValue, where: string, name?: string): TokenFiles {
  if (name !== undefined && knownNames.includes(name) && isObject(value)) return { [name]: value };
  const shape = nameByShape(value);
  if (shape !== undefined) return { [shape]: value };
  if (Array.isArray(value) && value.length > 0)
    return Object.assign({}, ...value.map((item) => filesOf(item, where)));
  const together = isObject(value)
    ? Object.entries(value).map(([key, inner]) => [exportedNames[key] ?? key, inner] as const)
    : [];
  const known = together.filter(([key]) => knownNames.includes(key));
  if (known.length > 0) return Object.fromEntries(known);
  if (name !== undefined && isObject(value)) return { [name]: value };
  throw refuse(`something else (not shown) in ${where}`);
}

function readTokens(path: string): TokenFiles {
  const name = basename(path, '.json').replace(/^\./, '');
  if (statSync(path).size > longestFile) throw refuse(`more than 1 MB at ${path}`);
  return filesOf(parseTokens(readFileSync(path, 'utf8'), path), path, name);
}

function inFolder(folder: string): TokenFiles {
  const files = readdirSync(folder).filter((name) =>
    knownNames.includes(basename(name, '.json').replace(/^\./, '')),
  );
  return Object.assign({}, ...files.map((name) => readTokens(join(folder, name))));
}

function isFilled(files: TokenFiles): boolean {
  return Object.keys(files).length > 0;
}

/** The folder's tokens, or those of its one folder that has some: programs keep one an account. */
function readFolder(folder: string): TokenFiles {
  const here = inFolder(folder);
  if (isFilled(here)) return here;
  const below = readdirSync(folder, { withFileTypes: true })
    .filter((item) => item.isDirectory())
    .map(({ name }) => ({ path: join(folder, name), files: inFolder(join(folder, name)) }))
    .filter(({ files }) => isFilled(files));
  const [first, second] = below;
  if (second)
    throw refuse(`several accounts (${below.map(({ path }) => path).join(', ')}): name one of them`);
  if (first) return first.files;
  throw refuse(`no such file in ${folder}`);
}

function readPath(path: string, shown: string): TokenFiles {
  try {
    return statSync(path).isDirectory() ? readFolder(path) : readTokens(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    throw refuse(
      code === 'ENOENT' || code === 'ENAMETOOLONG' ? `no file at ${shown}` : `${code} at ${shown}`,
    );
  }
}

/** A path, or the tokens themselves: in JSON, or in base64, which is longer than any path people type. */
function readGiven(given: string): TokenFiles {
  // What begins like this in base64 is the start of a list or an object in JSON.
  const isContent = /^\s*[[{]/.test(given) || /^(W[3yw]|e[yw])[A-Za-z0-9+/_-]{40,}={0,2}$/.test(given);
  if (isContent) return filesOf(parseTokens(given, 'the text given'), 'the text given');
  return readPath(given.replace(/^~(?=\/|$)/, homedir()), shownText(given));
}

/**
 * Reads the tokens a person wants to bring along.
 *
 * @throws HostError (exit 78) that says where it looked and never what a file holds.
 */
export async function readImportedTokens({ from, env, readInput }: ImportSource): Promise<TokenFiles> {
  if (from === '-') return filesOf(parseTokens(await readInput(), 'the input'), 'the input');
  if (from !== undefined) return readGiven(from);
  return readGiven(env['GARMINTOKENS'] || join(env['HOME'] ?? homedir(), '.garminconnect'));
}
