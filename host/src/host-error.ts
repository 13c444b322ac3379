/** Exit codes of every command; the same list stands in docs/cli.md. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  incomplete: 3,
  loginNeeded: 4,
  rateLimited: 5,
  unreachable: 69,
  dataDirInUse: 73,
  badConfig: 78,
  interrupted: 130,
  terminated: 143,
} as const;

/** Ends a command with an exit code and one line for the person: what was expected, found, to do. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** A configuration that cannot be used: names the key, what was expected, what was found, a good line. */
export function configError(problem: {
  readonly key: string;
  readonly expected: string;
  readonly found: string;
  readonly example: string;
}): HostError {
  const { key, expected, found, example } = problem;
  return new HostError(
    exitCodes.badConfig,
    `${key}: expected ${expected}, found ${found}; for example ${example}`,
  );
}
