import { ConnectorError } from '@on-the-way/sdk';
import { unlessAborted } from './abort.ts';

/** Asks once for what several datasets are read from. */
export interface SharedAnswers {
  /**
   * The answer remembered under the key, or the one `ask` brings. Callers at the same time share one
   * request. A request that failed is not remembered.
   */
  get(key: string, signal: AbortSignal, ask: () => Promise<unknown>): Promise<unknown>;
}

// A year of days, some kilobytes each.
const maxAnswers = 400;

/** Makes the memory of one session. */
export function createSharedAnswers(): SharedAnswers {
  const answers = new Map<string, Promise<unknown>>();

  function start(key: string, ask: () => Promise<unknown>): Promise<unknown> {
    const answer = ask();
    answers.set(key, answer);
    const [oldest] = answers.keys();
    if (answers.size > maxAnswers && oldest !== undefined) answers.delete(oldest);
    // The caller hears of the failure; here it is only forgotten.
    answer.catch(() => answers.get(key) === answer && answers.delete(key));
    return answer;
  }

  async function get(key: string, signal: AbortSignal, ask: () => Promise<unknown>): Promise<unknown> {
    signal.throwIfAborted();
    const running = answers.get(key);
    if (!running) return unlessAborted(start(key, ask), signal);
    try {
      return await unlessAborted(running, signal);
    } catch (error) {
      // The one who asked gave up, which says nothing about the answer.
      if (signal.aborted || ConnectorError.is(error)) throw error;
      return get(key, signal, ask);
    }
  }

  return { get };
}
