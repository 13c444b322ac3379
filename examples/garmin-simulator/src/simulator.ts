import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { NOT_FOUND } from './answers/answer.ts';
import type { Answer } from './answers/answer.ts';
import { openControl, scriptedReply } from './control.ts';
import type { Control, RequestMatch, ScriptedAnswer } from './control.ts';
import { emptyReply, jsonReply, readRequest, sendReply } from './http.ts';
import type { Reply, Request } from './http.ts';
import { answerLogin } from './login.ts';
import { createPerson } from './person/person.ts';
import type { Person } from './person/person.ts';
import { viewAt } from './person/view.ts';
import { openRecordings } from './replay.ts';
import type { Recordings } from './replay.ts';
import { rememberRequest } from './requests.ts';
import type { SimulatedRequest } from './requests.ts';
import { findDataRoute, findPersonRoute } from './routes.ts';
import { openTokenDesk } from './tokens.ts';
import type { TokenDesk } from './tokens.ts';

export interface GarminSimulatorOptions {
  /** Default 0: any free port. Only 127.0.0.1 is listened on. */
  port?: number;
  /** Default 'demo'. The same seed gives the same person, for ever. */
  seed?: string;
  /** Milliseconds since 1970; default the machine's clock. */
  now?: () => number;
  /** The person's zone; default 'Asia/Shanghai'. */
  timeZone?: string;
  /** Default 'runner@example.com'. */
  email?: string;
  /** Default 'simulated'. */
  password?: string;
  /** A folder with an index.json: its answers are served instead of invented ones. */
  recordings?: string;
  /** What the watch and the person have. Default: heart rate variability, no cycle tracking. */
  features?: { hrv?: boolean; menstrual?: boolean };
}

export interface GarminSimulator {
  /** `http://127.0.0.1:PORT`: sign-in, tokens and data, told apart by path. */
  readonly origin: string;
  /** Every request so far, oldest first. */
  readonly requests: readonly SimulatedRequest[];
  /** Answers matching requests with this instead, the newest script first. Returns how to undo it. */
  answer(match: RequestMatch, answer: ScriptedAnswer): () => void;
  /** Rewrites the normal answer of matching requests. Returns how to undo it. */
  edit(match: RequestMatch, change: (body: any) => unknown): () => void; // oxlint-disable-line typescript/no-explicit-any -- any JSON value
  forgetRequests(): void;
  /** Stops listening and ends open connections, answered or not. */
  close(): Promise<void>;
}

interface Service {
  readonly person: Person;
  readonly tokens: TokenDesk;
  readonly email: string;
  readonly password: string;
  readonly recordings: Recordings | undefined;
  readonly now: () => number;
}

function openService(options: GarminSimulatorOptions): Service {
  const { seed = 'demo', now = Date.now, timeZone = 'Asia/Shanghai', recordings, features = {} } = options;
  const { email = 'runner@example.com', password = 'simulated' } = options;
  const { hrv = true, menstrual = false } = features;
  return {
    person: createPerson({ seed, timeZone, email, features: { hrv, menstrual } }),
    tokens: openTokenDesk(seed, now),
    email,
    password,
    recordings: recordings === undefined ? undefined : openRecordings(recordings),
    now,
  };
}

const toReply = ({ status, body, headers = {} }: Answer): Reply =>
  body === undefined ? emptyReply(status, { ...headers }) : jsonReply(status, body, { ...headers });

function isAuthorised(request: Request, tokens: TokenDesk): boolean {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  return token !== undefined && tokens.accepts(token);
}

function answerData(request: Request, service: Service): Reply {
  if (request.method !== 'GET') {
    return jsonReply(405, { message: 'HTTP 405 Method Not Allowed', error: 'NotAllowedException' });
  }
  const { path, query, headers } = request;
  const data = findDataRoute(path);
  const match = findPersonRoute(path) ?? (service.recordings === undefined ? data : undefined);
  if (match !== undefined) {
    const view = viewAt(service.person, service.now());
    return toReply(match.answer({ view, params: match.params, query, headers }));
  }
  const recorded = service.recordings?.answer(path, query);
  if (recorded !== undefined) return recorded;
  return data === undefined ? toReply(NOT_FOUND) : emptyReply(204);
}

function normalReply(request: Request, service: Service, authorised: boolean): Reply {
  const login = answerLogin(request, service);
  if (login !== undefined) return login;
  if (authorised) return answerData(request, service);
  const body = { error: 'invalid_token', error_description: 'Token is not active' };
  return jsonReply(401, body, { 'www-authenticate': 'Bearer error="invalid_token"' });
}

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;

interface Desk {
  readonly service: Service;
  readonly control: Control;
  readonly requests: SimulatedRequest[];
  /** Aborts when the simulator closes. */
  readonly signal: AbortSignal;
}

const handlerFor = ({ service, control, requests, signal }: Desk): Handler =>
  async function handle(incoming, outgoing) {
    const at = service.now();
    const request = await readRequest(incoming);
    const authorised = isAuthorised(request, service.tokens);
    const script = control.takeScript(request.target);
    const normal = (): Reply => control.applyEdits(request.target, normalReply(request, service, authorised));
    const reply = script === undefined ? normal() : scriptedReply(script, normal);
    requests.push(rememberRequest({ request, status: script?.drop ? 0 : reply.status, at, authorised }));
    if (script?.delayMs) await wait(script.delayMs, undefined, { signal });
    if (script?.drop) incoming.socket.resetAndDestroy();
    else sendReply(outgoing, reply);
  };

/** A fault of the simulator itself is answered plainly, so that a test shows it instead of hanging. */
function answerFault(error: unknown, outgoing: ServerResponse, signal: AbortSignal): void {
  if (outgoing.headersSent || signal.aborted) return void outgoing.destroy();
  const message = error instanceof Error ? error.message : String(error);
  sendReply(outgoing, jsonReply(500, { message: `Simulator: ${message}`, error: 'SimulatorError' }));
}

async function listen(server: Server, port: number): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Starts an HTTP server that stands in for Garmin Connect, with an invented person behind it. */
export async function startGarminSimulator(options: GarminSimulatorOptions = {}): Promise<GarminSimulator> {
  const service = openService(options);
  const control = openControl();
  const closing = new AbortController();
  const requests: SimulatedRequest[] = [];
  const handle = handlerFor({ service, control, requests, signal: closing.signal });
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch((error: unknown) => answerFault(error, outgoing, closing.signal));
  });
  return {
    origin: await listen(server, options.port ?? 0),
    requests,
    answer: control.answer,
    edit: control.edit,
    forgetRequests() {
      requests.length = 0;
    },
    async close() {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
