import type { Prompt } from '@on-the-way/sdk';
import { exitCodes } from '../host-error.ts';
import { say } from './output.ts';
import { terminalPrompt } from './prompt.ts';

// Time for what is being read, and some left to record it: a supervisor kills after ten seconds or more.
const giveUpAfterMs = 7_000;
const leaveAfterMs = 9_700;

/** What signals ask of a command that reads from a source. */
export interface Stop {
  /** The first signal: nothing more begins, what is under way is finished. */
  readonly signal: AbortSignal;
  /** What is still under way seven seconds later is given up; a question to the person at once. */
  readonly givenUp: AbortSignal;
  /** Asks at the terminal; undefined where nobody sits there. */
  readonly prompt: Prompt | undefined;
  /** The exit code that a signal asks for; undefined where none came. */
  code(): number | undefined;
  /** What to say at the first signal. */
  onStop(saying: string): void;
  /** Signals do what they usually do from here on. */
  end(): void;
}

/** Keeps what signals ask for: the first to stop in order, within ten seconds; the second to leave at once. */
export function listenForStop(): Stop {
  const first = new AbortController();
  const givenUp = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  let questions = 0;
  let signalled: number | undefined;
  let words = 'Stopping: what is being read is finished and kept. Once more to leave at once.';
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signalled !== undefined) process.exit(signalled);
    signalled = signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    say(words);
    const told = new DOMException('Told to stop', 'AbortError');
    const giveUp = (): void => givenUp.abort(told);
    timers.push(
      setTimeout(giveUp, giveUpAfterMs),
      setTimeout(() => process.exit(signalled), leaveAfterMs),
    );
    first.abort(told);
    if (questions > 0) giveUp();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const ask = terminalPrompt();
  return {
    signal: first.signal,
    givenUp: givenUp.signal,
    prompt:
      ask &&
      (async (question) => {
        questions += 1;
        return ask(question).finally(() => (questions -= 1));
      }),
    code: () => signalled,
    onStop: (saying) => void (words = saying),
    end() {
      for (const timer of timers) clearTimeout(timer);
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}
