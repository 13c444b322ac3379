import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';

/** What goes over the wire. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  /** `path?query`, as it was sent. */
  readonly target: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  /** The body as it was sent. */
  readonly text: string;
  /** Fields of the body: a form, a multipart form or a JSON object. */
  readonly fields: Readonly<Record<string, string>>;
}

const EMPTY = Buffer.alloc(0);
const MAX_BODY_BYTES = 1_000_000;

export function emptyReply(status: number, headers: Record<string, string> = {}): Reply {
  return { status, headers, bytes: EMPTY };
}

export function textReply(status: number, type: string, text: string): Reply {
  return { status, headers: { 'content-type': type }, bytes: Buffer.from(text) };
}

export function jsonReply(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  const type = { 'content-type': 'application/json;charset=utf-8' };
  return { status, headers: { ...type, ...headers }, bytes: Buffer.from(JSON.stringify(body)) };
}

/** A body that is not the JSON it looks like has no fields; whoever needs some refuses it. */
function parseObject(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** The login library labels its multipart form as urlencoded, so the body itself tells which it is. */
function readFields(text: string): Record<string, string> {
  const boundary = /^(--[^\r\n]+)\r?\n/.exec(text)?.[1];
  if (boundary !== undefined) {
    const parts = text.split(boundary).map((part) => /name="([^"]+)"[^]*?\r?\n\r?\n([^]*?)\r?\n$/.exec(part));
    return Object.fromEntries(parts.flatMap((part) => (part ? [[part[1], part[2]]] : [])));
  }
  if (text.startsWith('{')) {
    const entries = Object.entries(parseObject(text));
    return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
  }
  return Object.fromEntries(new URLSearchParams(text));
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export async function readRequest(incoming: IncomingMessage): Promise<Request> {
  const target = incoming.url ?? '/';
  const url = new URL(target, 'http://127.0.0.1');
  const text = await readText(incoming);
  return {
    method: incoming.method ?? 'GET',
    path: url.pathname,
    target,
    query: Object.fromEntries(url.searchParams),
    headers: incoming.headers,
    text,
    fields: readFields(text),
  };
}
