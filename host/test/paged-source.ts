import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ConnectorErrorCode, Day, JsonValue } from '@on-the-way/sdk';

/** One answer of the source. */
export interface Page {
  readonly records?: readonly { readonly key: string; readonly day: Day; readonly data: JsonValue }[];
  /** Of a cursor dataset: yielded behind the records. */
  readonly checkpoint?: JsonValue;
  /** Another page is asked for. */
  readonly more?: boolean;
  /** Thrown behind the records. */
  readonly error?: { readonly code: ConnectorErrorCode; readonly message: string };
  /** The connector's process ends behind the records. */
  readonly exit?: boolean;
}

/** What the connector asks for. */
export interface PageRequest {
  readonly dataset: string;
  readonly from: Day;
  readonly to: Day;
  /** 1 for the first of a fetch. */
  readonly page: number;
  readonly cursor: JsonValue | undefined;
}

/** A source of which a test decides each page, for the connector in fixtures/paged.ts. */
export interface PagedSource {
  readonly origin: string;
  /** Replace it to change what is answered. */
  answer: (request: PageRequest) => Page | Promise<Page>;
  /** What was asked for since it was last called. */
  requests(): PageRequest[];
  close(): Promise<void>;
}

/** Starts the source. */
export async function startPagedSource(): Promise<PagedSource> {
  let seen: PageRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const url = new URL(incoming.url ?? '/', 'http://source');
    const of = (name: string): string => url.searchParams.get(name) ?? '';
    const cursor = of('cursor') === '' ? undefined : (JSON.parse(of('cursor')) as JsonValue);
    const request = {
      dataset: url.pathname.slice(1),
      from: of('from'),
      to: of('to'),
      page: Number(of('page')),
      cursor,
    };
    seen.push(request);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(await source.answer(request)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const source: PagedSource = {
    origin: `http://127.0.0.1:${port}`,
    answer: () => ({}),
    requests() {
      const since = seen;
      seen = [];
      return since;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return source;
}

/** The connector that asks it. */
export const pagedPlugin = join(import.meta.dirname, 'fixtures', 'paged.ts');
