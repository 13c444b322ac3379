import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { daysOf, type Day } from '@on-the-way/sdk';
import type { History } from './history.ts';
import {
  cursorDataset,
  fingerprint,
  idsOf,
  momentId,
  pick,
  recordNamed,
  type SourceRecord,
} from './world.ts';

/** How the source may behave. All of it is told from the number of the request, so a seed repeats it. */
export interface Knobs {
  /** Records a page. */
  readonly pageSize: number;
  readonly latencyMs: number;
  /** Every so many-th request of an account's data is refused so. */
  readonly refuse?: { readonly every: number; readonly status: number; readonly retryAfter?: string };
  /** Every so many-th answer to an account is broken so. `at`: after so many bytes of the body. */
  readonly broken?: { readonly every: number; readonly how: BrokenAnswer; readonly at: number };
  /** A page begins with the last record of the one before. */
  readonly overlap: boolean;
  /** Requests an access token is good for. */
  readonly callsPerToken: number;
  /** Every so many-th renewal is done, and its answer lost. */
  readonly loseRenewals?: number;
  /** The cursor that is told is the one that was asked with. */
  readonly circling: boolean;
  /** One byte of a body at a time, with so much between two. */
  readonly dripMs?: number;
}

/** Ways for an answer to be no answer. */
export type BrokenAnswer = 'cut' | 'wrong-length' | 'html' | 'empty' | 'garbage-after';

/** All of {@link BrokenAnswer}. */
export const brokenAnswers: readonly BrokenAnswer[] = [
  'cut',
  'wrong-length',
  'html',
  'empty',
  'garbage-after',
];

/** An answer of the source, in its own ledger. */
export interface Served {
  readonly t: number;
  /** Process of the host that asked. */
  readonly to: string;
  readonly account: string;
  readonly dataset: string;
  /** Whether the answer left whole; of one that did not nothing may be stored but by another answer. */
  readonly whole: boolean;
  /** Name and version of each record. */
  readonly records: readonly string[];
}

/** A source that knows what it said, to whom. */
export interface VerifiableSource {
  readonly origin: string;
  readonly seed: number;
  readonly served: readonly Served[];
  readonly knobs: Knobs;
  /** Requests so far, of data and of sign-ins. */
  readonly counts: { data: number; signIns: number; renewals: number };
  set(knobs: Partial<Knobs>): void;
  /** Everything as it should be. */
  calm(): void;
  /** Changes what the source says of a day. */
  revise(place: { readonly account: string; readonly dataset: string; readonly day: Day }): void;
  /** What it says of a day now. */
  recordsOf(place: { readonly account: string; readonly dataset: string; readonly day: Day }): SourceRecord[];
  /** Adds moments to the end. */
  grow(account: string, by: number): void;
  /** How many moments there are. */
  momentsOf(account: string): number;
  /** Passwords and tokens it ever gave or took; to be found nowhere else. */
  readonly secrets: ReadonlySet<string>;
  close(): Promise<void>;
}

const calm: Knobs = { pageSize: 3, latencyMs: 0, overlap: false, callsPerToken: Infinity, circling: false };
const firstMoments = 20;

/** What an account signs in with. */
export function passwordOf(account: string): string {
  return `canary-password-${pick(2 ** 40, 'password', account)}`;
}

interface Grant {
  generation: number;
  callsLeft: number;
  /** The newest generation whose access token was shown; refresh tokens from that one on are good. */
  shown: number;
}

interface Page {
  readonly records: readonly (SourceRecord & { readonly day?: Day; readonly number?: number })[];
  readonly next?: number;
  readonly cursor?: number;
  readonly more?: boolean;
}

/** The accounts' tokens: access tokens that wear off, refresh tokens good for one use. */
class Grants {
  readonly secrets = new Set<string>();
  readonly #grants = new Map<string, Grant>();
  readonly #knobs: () => Knobs;

  constructor(knobs: () => Knobs) {
    this.#knobs = knobs;
  }

  signIn(account: string, password: unknown): object | undefined {
    this.secrets.add(passwordOf(account));
    if (password !== passwordOf(account)) return undefined;
    return this.#issue(account, (this.#grants.get(account)?.generation ?? 0) + 1);
  }

  /** A new pair for a refresh token that is good: one since the last access token that was shown. */
  renew(account: string, refresh: unknown): object | undefined {
    const grant = this.#grants.get(account);
    if (!grant) return undefined;
    for (let generation = grant.generation; generation >= grant.shown; generation -= 1) {
      if (refresh === this.#token('refresh', account, generation))
        return this.#issue(account, grant.generation + 1);
    }
    return undefined;
  }

  mayAsk(account: string, authorization: string | undefined): boolean {
    const grant = this.#grants.get(account);
    if (!grant || authorization !== `Bearer ${this.#token('access', account, grant.generation)}`)
      return false;
    grant.shown = grant.generation;
    grant.callsLeft -= 1;
    return grant.callsLeft >= 0;
  }

  #issue(account: string, generation: number): object {
    const shown = this.#grants.get(account)?.shown ?? generation;
    this.#grants.set(account, { generation, callsLeft: this.#knobs().callsPerToken, shown });
    return {
      access: this.#token('access', account, generation),
      refresh: this.#token('refresh', account, generation),
    };
  }

  #token(kind: string, account: string, generation: number): string {
    const token = `canary-${kind}-${pick(2 ** 40, kind, account)}-${generation}`;
    this.secrets.add(token);
    return token;
  }
}

/** What the source has, and how it changes. */
class Contents {
  readonly #seed: number;
  readonly #versions = new Map<string, number>();
  readonly #moments = new Map<string, number>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  revise(place: { account: string; dataset: string; day: Day }): void {
    const key = JSON.stringify([place.account, place.dataset, place.day]);
    this.#versions.set(key, (this.#versions.get(key) ?? 0) + 1);
  }

  recordsOf(place: { account: string; dataset: string; day: Day }): SourceRecord[] {
    const version = this.#versions.get(JSON.stringify([place.account, place.dataset, place.day])) ?? 0;
    return idsOf(this.#seed, place).map((id) => recordNamed(this.#seed, id, version));
  }

  momentsOf = (account: string): number => this.#moments.get(account) ?? firstMoments;
  grow(account: string, by: number): void {
    this.#moments.set(account, this.momentsOf(account) + by);
  }

  dayPage(url: URL, account: string, dataset: string, { pageSize, overlap }: Knobs): Page {
    const window = { from: url.searchParams.get('from') ?? '', to: url.searchParams.get('to') ?? '' };
    const from = Number(url.searchParams.get('page') ?? 0);
    const all = daysOf(window).flatMap((day) =>
      this.recordsOf({ account, dataset, day }).map((record) => ({ ...record, day })),
    );
    const to = from + pageSize;
    const begin = overlap && from > 0 ? from - 1 : from;
    return { records: all.slice(begin, to), ...(to < all.length && { next: to }) };
  }

  cursorPage(url: URL, account: string, { pageSize, overlap, circling }: Knobs): Page {
    const after = Number(url.searchParams.get('after') ?? 0);
    const last = this.momentsOf(account);
    const first = overlap && after > 0 ? after : after + 1;
    const to = Math.min(last, after + pageSize);
    const records = Array.from({ length: Math.max(0, to - first + 1) }, (_, index) => {
      const number = first + index;
      return { ...recordNamed(this.#seed, momentId(account, number), 0), number };
    });
    return { records, cursor: circling ? after : to, more: to < last };
  }
}

/** Sends the body as the knobs want it; resolves with whether it left whole. */
function send(response: ServerResponse, page: Page, knobs: Knobs, broken: Knobs['broken']): Promise<boolean> {
  const body = Buffer.from(JSON.stringify(page));
  const gone = new Promise<boolean>((resolve) => {
    response.once('close', () => resolve(response.writableFinished && broken === undefined));
  });
  response.setHeader('content-type', 'application/json');
  const part = body.subarray(0, Math.min(broken?.at ?? 0, body.length - 1));
  switch (broken?.how) {
    case undefined:
      if (knobs.dripMs === undefined) response.end(body);
      else void drip(response, body, knobs.dripMs);
      break;
    case 'cut':
      response.write(part, () => response.destroy());
      break;
    case 'wrong-length':
      response.setHeader('content-length', body.length + 10);
      response.write(body, () => response.destroy());
      break;
    case 'html':
      response.setHeader('content-type', 'text/html').end('<html><body>Back soon</body></html>');
      break;
    case 'empty':
      response.end();
      break;
    case 'garbage-after':
      response.end(Buffer.concat([body, Buffer.from('}{ oops')]));
      break;
  }
  return gone;
}

async function drip(response: ServerResponse, body: Buffer, everyMs: number): Promise<void> {
  for (const byte of body) {
    if (response.destroyed) return;
    response.write(Buffer.of(byte));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  response.end();
}

class Source implements VerifiableSource {
  origin = '';
  readonly seed: number;
  readonly served: Served[] = [];
  readonly counts = { data: 0, signIns: 0, renewals: 0 };
  knobs: Knobs = calm;
  readonly #history: History;
  /** Requests of data, by account. */
  readonly #asked = new Map<string, number>();
  readonly #contents: Contents;
  readonly #grants = new Grants(() => this.knobs);
  readonly #server: Server;

  constructor(seed: number, history: History) {
    this.seed = seed;
    this.#history = history;
    this.#contents = new Contents(seed);
    this.#server = createServer((request, response) => {
      response.on('error', () => undefined);
      void this.#answer(request, response).catch(() => response.destroy());
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.origin = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  get secrets(): ReadonlySet<string> {
    return this.#grants.secrets;
  }
  set = (knobs: Partial<Knobs>): void => void (this.knobs = { ...this.knobs, ...knobs });
  calm = (): void => void (this.knobs = calm);
  revise: VerifiableSource['revise'] = (place) => this.#contents.revise(place);
  recordsOf: VerifiableSource['recordsOf'] = (place) => this.#contents.recordsOf(place);
  grow: VerifiableSource['grow'] = (account, by) => this.#contents.grow(account, by);
  momentsOf = (account: string): number => this.#contents.momentsOf(account);

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    const [, account = '', what = ''] = url.pathname.split('/').map(decodeURIComponent);
    if (this.knobs.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.knobs.latencyMs));
    if (what === 'token') return this.#answerToken(request, response, account);
    this.counts.data += 1;
    const asked = (this.#asked.get(account) ?? 0) + 1;
    this.#asked.set(account, asked);
    const isThe = (every: number | undefined): boolean => every !== undefined && asked % every === 0;
    const { refuse, broken } = this.knobs;
    if (refuse && isThe(refuse.every)) {
      if (refuse.retryAfter !== undefined) response.setHeader('retry-after', refuse.retryAfter);
      response.writeHead(refuse.status).end();
      this.#history.add({
        proc: 'source',
        op: 'refuse',
        id: account,
        type: 'ok',
        detail: { status: refuse.status, retryAfter: refuse.retryAfter },
      });
      return;
    }
    if (!this.#grants.mayAsk(account, request.headers.authorization)) {
      response.writeHead(401).end();
      return;
    }
    const page =
      what === cursorDataset
        ? this.#contents.cursorPage(url, account, this.knobs)
        : this.#contents.dayPage(url, account, what, this.knobs);
    const whole = await send(response, page, this.knobs, isThe(broken?.every) ? broken : undefined);
    this.#note(request, { account, dataset: what, whole, page });
  }

  async #answerToken(request: IncomingMessage, response: ServerResponse, account: string): Promise<void> {
    const { password, refresh } = (await json(request)) as { password?: unknown; refresh?: unknown };
    if (password === undefined) this.counts.renewals += 1;
    else this.counts.signIns += 1;
    const issued =
      password === undefined ? this.#grants.renew(account, refresh) : this.#grants.signIn(account, password);
    const { loseRenewals } = this.knobs;
    if (password === undefined && loseRenewals !== undefined && this.counts.renewals % loseRenewals === 0) {
      response.destroy();
      return;
    }
    response.writeHead(issued ? 200 : 400).end(JSON.stringify(issued ?? { error: 'invalid_grant' }));
  }

  #note(
    request: IncomingMessage,
    { account, dataset, whole, page }: { account: string; dataset: string; whole: boolean; page: Page },
  ): void {
    const records = page.records.map(({ id, version }) => `${id}@${version}`);
    const to = String(request.headers['x-host-process'] ?? 'nobody');
    const { t } = this.#history.add({
      proc: 'source',
      op: 'read',
      id: `${account}/${dataset}`,
      type: whole ? 'ok' : 'info',
      detail: { to, records: records.length },
    });
    this.served.push({ t, to, account, dataset, whole, records });
  }
}

/** Starts one; the same seed has the same contents. */
export function startVerifiableSource(seed: number, history: History): Promise<VerifiableSource> {
  return new Source(seed, history).listen();
}

/** Fingerprint of the record with that name and version, as it should be found in a row. */
export function expectedFingerprint(seed: number, id: string, version: number): string {
  return fingerprint(recordNamed(seed, id, version));
}
