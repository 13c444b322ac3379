import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerControl } from './control-endpoint.ts';
import { openControl, scriptedReply } from './control.ts';
import type { Control } from './control.ts';
import { jsonReply, readRequest } from './http.ts';
import type { Reply } from './http.ts';
import type { GarminSimulatorOptions } from './options.ts';
import { rememberRequest } from './requests.ts';
import type { SimulatedRequest } from './requests.ts';
import { normalReply, openService, standingOf } from './service.ts';
import type { Service } from './service.ts';
import { DI_CLIENT_IDS } from './sign-in/desk.ts';
import type { LocalSteering } from './steering.ts';
import { sendReply, sendScripted } from './wire.ts';

export interface GarminSimulator extends LocalSteering {
  /** `http://127.0.0.1:PORT`: sign-in, tokens and data, told apart by path. */
  readonly origin: string;
  /** Stops listening and ends open connections, answered or not. */
  close(): Promise<void>;
}

interface Desk {
  readonly service: Service;
  readonly control: Control;
  readonly requests: SimulatedRequest[];
  readonly steering: LocalSteering;
  /** Aborts when the simulator closes. */
  readonly signal: AbortSignal;
}

function openSteering({ service, control, requests }: Omit<Desk, 'steering' | 'signal'>): LocalSteering {
  const { account, tokens, tickets } = service.login;
  return {
    requests,
    answer: control.answer,
    edit: control.edit,
    forgetAnswers: control.forgetAnswers,
    forgetRequests() {
      requests.length = 0;
    },
    expireAccess: () => tokens.end(['access']),
    revoke() {
      tokens.end(['access', 'refresh', 'oauth1']);
      tickets.endAll();
    },
    changePassword(password) {
      account.password = password;
      tokens.end(['refresh', 'oauth1']);
    },
    sync: () => service.syncs.syncAt(service.now()),
    issueTokens: (request) => tokens.issue({ clientId: DI_CLIENT_IDS[0] ?? '', ...request }),
  };
}

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;

const isDroppedAtOnce = (drop: unknown): boolean => drop === true || drop === 'before-headers';

const handlerFor = ({ service, control, requests, steering, signal }: Desk): Handler =>
  async function handle(incoming, outgoing) {
    const at = service.now();
    const request = await readRequest(incoming);
    const command = answerControl(request, steering);
    if (command !== undefined) return sendReply(outgoing, command);
    const standing = standingOf(request, service);
    const script = control.takeScript(request) ?? {};
    const normal = (): Reply => control.applyEdits(request.target, normalReply(request, service, standing));
    const reply = scriptedReply(script, normal);
    const status = isDroppedAtOnce(script.drop) ? 0 : reply.status;
    const authorised = standing === 'app' || standing === 'personal';
    requests.push(rememberRequest({ request, status, at, authorised }));
    await sendScripted(outgoing, reply, { script, signal });
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
  const steering = openSteering({ service, control, requests });
  const handle = handlerFor({ service, control, requests, steering, signal: closing.signal });
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch((error: unknown) => answerFault(error, outgoing, closing.signal));
  });
  return {
    ...steering,
    origin: await listen(server, options.port ?? 0),
    async close() {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
