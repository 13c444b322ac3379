// Load from a process of its own, for bench/http.ts: `load.ts KIND TARGET CONNECTIONS MS`. Asks a little and says so, waits
// for a word, loads, prints a line of JSON, and keeps its connections until its input ends: what they cost is looked at first.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createEventMaker, type BenchEvent } from './events.ts';

const [kind = '', target = '', connections = '1', ms = '1000'] = process.argv.slice(2);
const nextEvent = createEventMaker();
const batchSize = 1000;
// Answers that said to come back.
let refused = 0;
const headEnd = '\r\n\r\n';

/** Made before the clock starts: what is measured is the host. */
function requestOf(path: string, mediaType: string, body: string): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${new URL(target).host}`,
    `Content-Type: ${mediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}${headEnd}${body}`);
}

/** Calls back with each answer, whole. A load must cost little, or it takes the machine from what it measures. */
function onAnswer(socket: Socket, tell: (answer: string) => void): void {
  let text = '';
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    const end = text.indexOf(headEnd);
    if (end === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
    if (text.length < end + headEnd.length + length) return;
    const answer = text;
    text = '';
    tell(answer);
  });
}

type Ask = () => Promise<void>;

async function httpAsk(make: () => Buffer): Promise<Ask> {
  const { hostname, port } = new URL(target);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  await once(socket, 'connect');
  let tell: (answer: string) => void = () => undefined;
  onAnswer(socket, (answer) => tell(answer));
  const answerTo = (request: Buffer): Promise<string> =>
    new Promise((resolve) => {
      tell = resolve;
      socket.write(request);
    });
  return async () => {
    const request = make();
    for (;;) {
      const answer = await answerTo(request);
      if (answer.startsWith('HTTP/1.1 200')) return;
      if (!answer.startsWith('HTTP/1.1 503')) throw new Error(`Expected 200 or 503, got ${answer}`);
      refused += 1;
      await delay(100);
    }
  };
}

const insertion = {
  name: 'one',
  text: `insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
    values ($1, $2, $3, $4, $5, $6) on conflict (source_id, external_id) do nothing returning raw_id, ingested_at`,
};

async function insertAsk(make: () => BenchEvent): Promise<Ask> {
  const client = new pg.Client(target);
  await client.connect();
  return async () => {
    const { rowCount } = await client.query({ ...insertion, values: [...make().row] });
    if (rowCount !== 1) throw new Error('Expected a new row');
  };
}

async function insertManyAsk(make: () => readonly BenchEvent[]): Promise<Ask> {
  const client = new pg.Client(target);
  await client.connect();
  const columns = '(source_id, external_id, occurred_at, payload_json, payload_hash, request_id)';
  return async () => {
    const rows = make().map(({ row }) => row);
    const places = rows.map(
      (row, at) => `(${row.map((_, index) => `$${at * row.length + index + 1}`).join()})`,
    );
    const text = `insert into raw.raw_event ${columns} values ${places.join()} on conflict do nothing`;
    await client.query(text, rows.flat());
  };
}

// A second of it and half more, at rates that no machine of ours has reached.
const singles = Math.ceil(Number(ms) * 7);
const batches = Math.ceil(Number(ms) / 40);

/** Gives prepared things one after the other, and makes more when they run out. */
function stock<T>(count: number, make: () => T): () => T {
  const made = Array.from({ length: count }, make);
  return () => made.pop() ?? make();
}

const post = '/v1/ingest/connector-health';
const nothing = Buffer.from(`GET /v1/health/live HTTP/1.1\r\nHost: ${URL.parse(target)?.host}${headEnd}`);
const makers: Readonly<Record<string, () => () => Promise<Ask>>> = {
  post: () => {
    const next = stock(singles, () => requestOf(post, 'application/json', nextEvent().body));
    return () => httpAsk(next);
  },
  batch: () => {
    const lines = () => Array.from({ length: batchSize }, () => nextEvent().body).join('\n');
    const next = stock(batches, () => requestOf(`${post}/batch`, 'application/x-ndjson', lines()));
    return () => httpAsk(next);
  },
  nothing: () => () => httpAsk(() => nothing),
  insertMany: () => {
    const next = stock(batches, () => Array.from({ length: batchSize }, nextEvent));
    return () => insertManyAsk(next);
  },
  insert: () => {
    const next = stock(singles, nextEvent);
    return () => insertAsk(next);
  },
};

const open = makers[kind]?.();
if (!open) throw new Error(`Expected one of ${Object.keys(makers).join(', ')}, got ${kind}`);
const asks = await Promise.all(Array.from({ length: Number(connections) }, open));
// Nobody pays for what a session does once.
const warm = kind.endsWith('Many') || kind === 'batch' ? 1 : 15;
await Promise.all(
  asks.map(async (ask) => {
    for (let time = 0; time < warm; time += 1) await ask();
  }),
);
refused = 0;
const word = once(process.stdin, 'data');
process.stdout.write(`${JSON.stringify({ warmed: warm * asks.length })}\n`);
await word;
const took: number[] = [];
const began = performance.now();
const end = began + Number(ms);
await Promise.all(
  asks.map(async (ask) => {
    for (let at = performance.now(); at < end;) {
      await ask();
      const now = performance.now();
      took.push(now - at);
      at = now;
    }
  }),
);
const elapsed = performance.now() - began;
took.sort((a, b) => a - b);
const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))];
process.stdout.write(
  `${JSON.stringify({ count: took.length, perSecond: (took.length / elapsed) * 1000, p50: at(0.5), p99: at(0.99), refused })}\n`,
);
await once(process.stdin, 'end');
process.exit(0);
