import { createHash, randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { exitCodes, HostError } from '../host-error.ts';
import { systemCode } from './storage-error.ts';

/** The key that saved sessions are encrypted with. */
export interface SessionKey {
  /** Tells keys apart without telling them: 12 hex digits of a hash. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Buffer;
  /** Where it came from, for messages. */
  readonly from: string;
}

/** Where the key is: given as it is, or in a file, which may be `created` where it is missing. */
export type SessionKeyPlace =
  | { readonly value: string }
  | {
      readonly file: string;
      readonly created: boolean;
      /** A service manager put it there for this process alone, and its mode may name the group. */
      readonly groupMayRead?: true;
    };

/** Where the key is unless somebody said otherwise. */
export function sessionKeyIn(dataDir: string): SessionKeyPlace {
  return { file: join(dataDir, 'session.key'), created: true };
}

const keyBytes = 32;
// 64 hex digits and a line end, with room for what people add; anything larger is another file.
const longestFile = 1024;

/** 32 bytes in base64, with or without padding, or in hex; undefined for anything else. */
export function parseSessionKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === keyBytes ? bytes : undefined;
}

function keyOf(bytes: Buffer, from: string): SessionKey {
  const id = createHash('sha256').update('on the way session key\0').update(bytes).digest('hex').slice(0, 12);
  return { id, bytes, from };
}

function refuse(path: string, expected: string, found: string, remedy: string): HostError {
  return new HostError(
    exitCodes.badConfig,
    `session key: expected ${expected} at ${path}, found ${found}: ${remedy}`,
  );
}

function readSafely(path: string, forbidden: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > longestFile) {
      throw refuse(path, 'a file with one key', 'something else', 'put the key back');
    }
    const mode = stats.mode & 0o777;
    if (process.platform !== 'win32' && (mode & forbidden) !== 0) {
      const found = `mode ${mode.toString(8).padStart(4, '0')}`;
      throw refuse(path, 'a file only you can read', found, `chmod 600 ${path}`);
    }
    return readFileSync(file, 'utf8').trim();
  } finally {
    closeSync(file);
  }
}

/**
 * The key in a file, or undefined where there is none.
 *
 * @throws HostError (exit 78) for a file that others can read, a symbolic link, or wrong content.
 */
export function readSessionKey(
  path: string,
  { groupMayRead = false }: { readonly groupMayRead?: boolean } = {},
): SessionKey | undefined {
  let text: string;
  try {
    text = readSafely(path, groupMayRead ? 0o037 : 0o077);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return undefined;
    if (code === undefined) throw error;
    const found = code === 'ELOOP' ? 'a symbolic link' : code;
    throw refuse(path, 'a file of its own', found, 'put the key itself there, with mode 0600');
  }
  const bytes = parseSessionKey(text);
  if (bytes) return keyOf(bytes, path);
  throw refuse(path, '32 bytes in base64 or hex', 'something else (not shown)', 'put the key back');
}

/** The key of OTW_SESSION_KEY. Throws HostError (exit 78) for one that is none. */
export function givenSessionKey(text: string): SessionKey {
  const bytes = parseSessionKey(text);
  // All the same byte: the example of the documentation, or a slip.
  if (bytes && !bytes.every((byte) => byte === bytes[0])) return keyOf(bytes, 'OTW_SESSION_KEY');
  throw new HostError(
    exitCodes.badConfig,
    'OTW_SESSION_KEY: expected 32 random bytes in base64 or hex, found others: make them with openssl rand -base64 32',
  );
}

function sync(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Makes a key file that is durable and whole from the moment it is there; the one of a faster process wins. */
export function createSessionKey(path: string, bytes: Buffer = randomBytes(keyBytes)): SessionKey {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(file, `${bytes.toString('base64')}\n`);
    fsyncSync(file);
    linkSync(temporary, path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  } finally {
    closeSync(file);
    unlinkSync(temporary);
  }
  sync(dirname(path));
  const key = readSessionKey(path);
  if (key) return key;
  throw refuse(path, 'the key just made', 'nothing', 'do not remove it while a host starts');
}

/** Where the key of this id waits to take the place of the one in `file`. Its name keeps it apart from any later one. */
export function nextKeyPath(file: string, id: string): string {
  return `${file}.${id}`;
}

/** Makes a new key beside the one in `file`, durably. */
export function createNextKey(file: string): SessionKey {
  const bytes = randomBytes(keyBytes);
  return createSessionKey(nextKeyPath(file, keyOf(bytes, file).id), bytes);
}

/** Puts the new key in the old one's place, unless another process has done so. The old key is gone then. */
export function adoptNextKey(file: string, id: string): void {
  try {
    renameSync(nextKeyPath(file, id), file);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  sync(dirname(file));
}

/** Removes new keys that were never put to use, but for the one of this id. */
export function removeUnusedKeys(file: string, inUse: string): void {
  const next = new RegExp(`^${RegExp.escape(basename(file))}\\.([0-9a-f]{12})$`);
  for (const name of readdirSync(dirname(file))) {
    const id = next.exec(name)?.[1];
    if (id !== undefined && id !== inUse) unlinkSync(join(dirname(file), name));
  }
}
