import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { ScriptedAnswer } from './control.ts';
import type { Reply } from './http.ts';

/** A slow body goes out in so many pieces. */
const PIECES = 8;

function writeHead(outgoing: ServerResponse, { status, headers, bytes }: Reply): void {
  outgoing.writeHead(status, {
    ...headers,
    'x-simulated': 'garmin-simulator',
    ...(status === 204 ? {} : { 'content-length': String(bytes.length) }),
  });
}

export function sendReply(outgoing: ServerResponse, reply: Reply): void {
  writeHead(outgoing, reply);
  outgoing.end(reply.bytes);
}

const written = (outgoing: ServerResponse, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => outgoing.write(bytes, () => resolve()));

/** The headers promise the whole body, the connection ends after so many bytes of it. */
async function sendTruncated(outgoing: ServerResponse, reply: Reply, length: number): Promise<void> {
  writeHead(outgoing, reply);
  outgoing.flushHeaders();
  if (length > 0) await written(outgoing, reply.bytes.subarray(0, length));
  outgoing.socket?.end();
}

async function resetAfterHeaders(outgoing: ServerResponse, reply: Reply): Promise<void> {
  writeHead(outgoing, reply);
  outgoing.flushHeaders();
  await written(outgoing, reply.bytes.subarray(0, 1));
  outgoing.socket?.resetAndDestroy();
}

/** Gives up when the simulator closes or nobody listens any more. */
async function sendSlowly(outgoing: ServerResponse, reply: Reply, pace: Pace): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, pace.signal]);
  writeHead(outgoing, reply);
  outgoing.flushHeaders();
  const size = Math.max(1, Math.ceil(reply.bytes.length / PIECES));
  for (let at = 0; at < reply.bytes.length; at += size) {
    await wait(pace.slowMs, undefined, { signal });
    await written(outgoing, reply.bytes.subarray(at, at + size));
  }
  outgoing.end();
}

interface Pace {
  readonly slowMs: number;
  readonly signal: AbortSignal;
}

/** Sends an answer with the faults its script asks for; `signal` aborts when the simulator closes. */
export async function sendScripted(
  outgoing: ServerResponse,
  reply: Reply,
  { script, signal }: { readonly script: ScriptedAnswer; readonly signal: AbortSignal },
): Promise<void> {
  const { delayMs, drop, truncate, slowMs } = script;
  if (delayMs) await wait(delayMs, undefined, { signal });
  if (drop === 'after-headers') return resetAfterHeaders(outgoing, reply);
  if (drop) return void outgoing.socket?.resetAndDestroy();
  if (truncate !== undefined) return sendTruncated(outgoing, reply, truncate);
  if (slowMs !== undefined) return sendSlowly(outgoing, reply, { slowMs, signal });
  sendReply(outgoing, reply);
}
