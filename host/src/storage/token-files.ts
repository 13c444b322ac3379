import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import type { SessionTokens } from './session-tokens.ts';

function pathOf(directory: string, field: string): string {
  if (!/^[a-z0-9_]{1,64}$/.test(field)) {
    throw new ConnectorError(
      'config',
      `Expected a token field like oauth2_token, got ${JSON.stringify(field)}`,
    );
  }
  return join(directory, `${field}.json`);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function writeDurably(path: string, directory: string, text: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(directory, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * A connection's tokens as files, one a field (`<field>.json`, mode 0600): the layout other clients of
 * the same service use, so that a folder of theirs can be given. `seen` learns every token that passes.
 */
export function createTokenFiles(directory: string, seen: (value: unknown) => void): SessionTokens {
  let last = Promise.resolve();
  const self: SessionTokens = {
    async lock() {
      const mine = Promise.withResolvers<void>();
      const before = last;
      last = mine.promise;
      await before;
      return async () => mine.resolve();
    },
    async update(field, change) {
      const release = await self.lock();
      try {
        const saved = await self.load(field);
        const next = await change(saved);
        if (next !== undefined) await self.save(field, next);
        return next ?? saved;
      } finally {
        await release();
      }
    },
    async load(field) {
      const path = pathOf(directory, field);
      try {
        const value = JSON.parse(readFileSync(path, 'utf8')) as JsonValue;
        seen(value);
        return value;
      } catch (error) {
        if (isMissing(error)) return undefined;
        const why = error instanceof SyntaxError ? 'it is not JSON' : 'it cannot be read';
        // Without a cause: a SyntaxError quotes the text, and the text is a token.
        throw new ConnectorError(
          'config',
          `Expected a token file at ${path}, but ${why}: replace or remove it`,
        );
      }
    },
    async save(field, value) {
      seen(value);
      writeDurably(pathOf(directory, field), directory, JSON.stringify(value));
    },
  };
  return self;
}
