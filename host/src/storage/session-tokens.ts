import type { Tokens } from '@on-the-way/sdk';

/** A connection's tokens, and the lock that `update` takes, for callers in another process. */
export interface SessionTokens extends Tokens {
  /** Resolves when nobody else can change the tokens, with what lets others at them again. */
  lock(): Promise<() => Promise<void>>;
}
