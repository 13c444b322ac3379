import { expect, test } from 'vitest';
import { ConnectorError, connectorErrorCodes } from './index.ts';

/** What another installed copy of this package would define: the same shape, another class. */
class ForeignError extends Error {
  override readonly name = 'ConnectorError';
  readonly code: string;
  constructor(code: string) {
    super('from another copy');
    this.code = code;
  }
}

test.each(connectorErrorCodes)('%s is known as a ConnectorError, of this copy and of another', (code) => {
  expect(ConnectorError.is(new ConnectorError(code, 'x'))).toBe(true);
  expect(ConnectorError.is(new ForeignError(code))).toBe(true);
});

test('anything else is not a ConnectorError', () => {
  const withCode = Object.assign(new Error('x'), { code: 'auth' });
  const noError = { name: 'ConnectorError', code: 'auth', message: 'x' };
  const other = [new ForeignError('oops'), withCode, noError, new TypeError('x'), 'auth', null, undefined];
  for (const value of other) expect(ConnectorError.is(value)).toBe(false);
});

test('the error underneath is kept, and so are pause and status', () => {
  const cause = new TypeError('fetch failed');
  const error = new ConnectorError('rate_limited', 'Expected …', {
    cause,
    retryAfterMs: 60_000,
    status: 429,
  });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    code: 'rate_limited',
    message: 'Expected …',
    retryAfterMs: 60_000,
    status: 429,
  });
  expect(error.cause).toBe(cause);
});

test('an error without a cause has none', () => {
  expect('cause' in new ConnectorError('auth', 'x')).toBe(false);
  expect(new ConnectorError('auth', 'x')).toMatchObject({ retryAfterMs: undefined, status: undefined });
});

test('the text of a thrown error begins with its name, so that logs can be searched for it', () => {
  expect(String(new ConnectorError('auth', 'Log in again'))).toBe('ConnectorError: Log in again');
});
