import type { ConnectorSubject, OpenSource } from './subject.ts';
import { startTestServer, type TestServer } from './server.ts';

/** A server with the double of the source behind it, for the length of one check. */
export interface SourceContext {
  readonly server: TestServer;
  readonly source: OpenSource;
}

/** Starts a server, lets the subject put its source behind it, and takes both away afterwards. */
export async function withSource<Result>(
  { open, config = {} }: Pick<ConnectorSubject, 'open' | 'config'>,
  use: (context: SourceContext) => Promise<Result>,
  account: 1 | 2 = 1,
): Promise<Result> {
  const server = await startTestServer();
  let source: OpenSource | undefined;
  try {
    source = open ? await open(server, account) : { config };
    return await use({ server, source });
  } finally {
    await server.close();
    await source?.close?.();
  }
}
