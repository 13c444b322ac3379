import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Prompt } from '@on-the-way/sdk';

/** Asks at the terminal; absent when nobody sits there. Hidden answers are not echoed. */
export function terminalPrompt(): Prompt | undefined {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return undefined;
  return async ({ message, hidden = false }) => {
    process.stderr.write(`${message} `);
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
    const lines = createInterface({
      input: process.stdin,
      output: hidden ? silent : process.stderr,
      terminal: true,
    });
    try {
      return (await lines.question('')).trim();
    } finally {
      lines.close();
      if (hidden) process.stderr.write('\n');
    }
  };
}
