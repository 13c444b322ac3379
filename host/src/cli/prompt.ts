import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { ConnectorError, type Prompt } from '@on-the-way/sdk';

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
    const left = Promise.withResolvers<never>();
    // At a terminal in raw mode Ctrl-C is a key like any other; whoever runs the command decides what it means.
    lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    lines.once('close', () => left.reject(new ConnectorError('needs_user', 'Expected an answer, got none')));
    try {
      return (await Promise.race([lines.question(''), left.promise])).trim();
    } finally {
      lines.close();
      if (hidden) process.stderr.write('\n');
    }
  };
}
