import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { systemCode } from './storage-error.ts';

// Tokens are far smaller; what is larger is another file.
const longestFile = 256 * 1024;

function refuse(path: string, why: string): ConnectorError {
  return new ConnectorError('config', `Expected a token file at ${path}, but ${why}: replace or remove it`);
}

function read(path: string): string | undefined {
  let file: number;
  try {
    // Not through a link: whoever can put one here could show us any file there is.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return undefined;
    throw refuse(path, code === 'ELOOP' ? 'it is a symbolic link' : `it cannot be read (${code})`);
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > longestFile) throw refuse(path, 'it is something else');
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/**
 * What stands in `<field>.json` of a connection's token folder: the layout other clients of the same
 * service use, so that a folder of theirs can be given. It is read and never written.
 *
 * @throws ConnectorError `config` for a link, and for a file that cannot be read or is not JSON.
 */
export function readTokenFile(folder: string, field: string): JsonValue | undefined {
  const path = join(folder, `${field}.json`);
  const text = read(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    // Without a cause: a SyntaxError quotes the text, and the text is a token.
    if (error instanceof SyntaxError) throw refuse(path, 'it is not JSON');
    throw error;
  }
}
