import { exitCodes, HostError } from '../host-error.ts';
import { terminalPrompt } from './prompt.ts';

/**
 * True when the person agrees, asked at the terminal or by `--yes`.
 *
 * @throws HostError (exit 2) where nobody is there to ask; `example` is a line that would do.
 */
export async function isAgreed(asked: {
  readonly question: string;
  readonly example: string;
  readonly yes: boolean | undefined;
}): Promise<boolean> {
  if (asked.yes === true) return true;
  const prompt = terminalPrompt();
  if (!prompt) {
    const message = `Expected --yes, since nobody is at a terminal to ask; for example ${asked.example}`;
    throw new HostError(exitCodes.usage, message);
  }
  return /^y(es)?$/i.test(await prompt({ message: `${asked.question} [y/N]` }));
}
