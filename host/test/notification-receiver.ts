import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

/** A notification as it came in. */
export interface Received {
  readonly headers: IncomingHttpHeaders;
  /** The exact text. */
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Where notifications are posted in a test. */
export interface NotificationReceiver {
  readonly url: string;
  readonly received: Received[];
  /** What is answered: a status, or nothing at all. */
  answer: number | 'nothing';
  close(): Promise<void>;
}

/** Starts one that takes everything. */
export async function startNotificationReceiver(): Promise<NotificationReceiver> {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
    const { headers } = request;
    receiver.received.push({
      headers,
      text,
      body: z.record(z.string(), z.unknown()).parse(JSON.parse(text)),
    });
    if (receiver.answer === 'nothing') return;
    response.writeHead(receiver.answer, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: NotificationReceiver = {
    url: `http://127.0.0.1:${port}/hook`,
    received: [],
    answer: 204,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}
