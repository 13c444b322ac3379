import { ConnectorError } from '@on-the-way/sdk';
import { storableText } from './storable-text.ts';

/** A failure in the words of the ledger. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly status?: number;
  readonly retryAfterMs?: number;
  /** It was a sign-in that was refused. */
  readonly refusedSignIn?: true;
}

// Enough for any sentence; what is longer is an answer of the source.
const longestMessage = 4000;

/** Reads code, message and status off whatever was thrown; the message is fit to be stored. */
export function failureOf(error: unknown): Failure {
  const failure = thrown(error);
  return { ...failure, message: storableText(failure.message.slice(0, longestMessage)) };
}

function thrown(error: unknown): Failure {
  if (ConnectorError.is(error)) {
    const { code, message, status, retryAfterMs, refusedSignIn } = error;
    return {
      code,
      message,
      ...(status !== undefined && { status }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(refusedSignIn && { refusedSignIn }),
    };
  }
  if (error instanceof Error) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'internal';
    // What could not connect to any of several addresses has a code alone.
    return { code, message: error.message === '' ? code : error.message };
  }
  return { code: 'internal', message: String(error) };
}
