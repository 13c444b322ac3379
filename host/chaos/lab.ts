import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { addDays, dayAt, type Day } from '@on-the-way/sdk';
import { startChaosHost, type ChaosHost } from './chaos-host.ts';
import { checkNow, checkSettled, recoveries, type Evidence, type Goal, type Problem } from './checker.ts';
import { createHistory, type History } from './history.ts';
import { accountOf, type HostProcessOptions } from './host-options.ts';
import { observe, select, type Observation } from './observe.ts';
import { startVerifiableSource, type VerifiableSource } from './verifiable-source.ts';
import { dayDatasets, momentId, randomOf, type Random } from './world.ts';

/** A Postgres for labs; a database each. */
export interface LabServer {
  readonly url: string;
}

/** What a lab is for. */
export interface LabOptions {
  readonly server: LabServer;
  readonly seed: number;
  readonly connections: number;
  readonly backfillDays?: number;
  /** Seconds from one run of a connection to the next. */
  readonly intervalSeconds?: number;
  readonly moments?: boolean;
  /** Where hosts find the database, where that is not straight ahead. */
  readonly through?: (url: string) => string;
}

/** A source, a database and hosts, and everything that happens to them. */
export interface Lab {
  readonly seed: number;
  readonly random: Random;
  readonly history: History;
  readonly source: VerifiableSource;
  readonly databaseUrl: string;
  readonly connections: readonly string[];
  readonly hosts: readonly ChaosHost[];
  /** Starts a host; resolves at once. */
  start(changed?: Partial<HostProcessOptions>): ChaosHost;
  /** Starts a host; resolves when it works. */
  started(changed?: Partial<HostProcessOptions>): Promise<ChaosHost>;
  /** What is wrong at this moment, whatever is under way. */
  problemsNow(): Promise<Problem[]>;
  /** What the source has, and what must have become of it. */
  goal(more?: Partial<Goal>): Goal;
  /** Resolves when everything the source has is there, and nothing runs; else after `withinMs` with what is wrong. */
  settled(goal: Goal, withinMs?: number): Promise<Problem[]>;
  sql<Row>(statement: string): Promise<Row[]>;
  /** One line for people. */
  summary(): string;
  close(): Promise<void>;
}

const timeZone = 'Asia/Shanghai';
const empty: Observation = {
  rows: [],
  slices: [],
  cursors: [],
  runs: [],
  held: [],
  sessions: 0,
  texts: '',
};

/** The last days up to today, as hosts count them. */
export function lastDays(count: number): Day[] {
  const today = dayAt(Date.now(), timeZone);
  return Array.from({ length: count }, (_, back) => addDays(today, -back));
}

class OpenLab implements Lab {
  readonly seed: number;
  readonly random: Random;
  readonly history: History;
  readonly source: VerifiableSource;
  readonly databaseUrl: string;
  readonly connections: readonly string[];
  readonly hosts: ChaosHost[] = [];
  readonly #options: LabOptions;
  readonly #folder: string;

  constructor(
    options: LabOptions,
    made: { history: History; source: VerifiableSource; url: string; folder: string },
  ) {
    this.#options = options;
    this.seed = options.seed;
    this.random = randomOf(options.seed);
    this.history = made.history;
    this.source = made.source;
    this.databaseUrl = made.url;
    this.#folder = made.folder;
    this.connections = Array.from({ length: options.connections }, (_, index) => `c-${index + 1}`);
  }

  start(changed: Partial<HostProcessOptions> = {}): ChaosHost {
    const { backfillDays = 6, intervalSeconds = 1, moments = true, through } = this.#options;
    const name = `host-${this.hosts.length + 1}`;
    const options: HostProcessOptions = {
      databaseUrl: through ? through(this.databaseUrl) : this.databaseUrl,
      origin: this.source.origin,
      // One key for all of them, as hosts of one database have.
      folder: this.#folder,
      connections: this.connections,
      moments,
      intervalSeconds,
      backfillDays,
      clockOffsetMs: 0,
      ...changed,
    };
    const host = startChaosHost({ name, history: this.history, options });
    this.hosts.push(host);
    return host;
  }

  async started(changed: Partial<HostProcessOptions> = {}): Promise<ChaosHost> {
    const host = this.start(changed);
    await host.tells(({ op, type }) => op === 'start' && type === 'ok');
    return host;
  }

  async problemsNow(): Promise<Problem[]> {
    return checkNow(await this.#evidence());
  }

  goal(more: Partial<Goal> = {}): Goal {
    const { backfillDays = 6, moments = true } = this.#options;
    const places = this.connections.flatMap((connection) =>
      dayDatasets.flatMap((dataset) => lastDays(backfillDays).map((day) => ({ connection, dataset, day }))),
    );
    const ofDays = places.flatMap(({ connection, ...place }) =>
      this.source.recordsOf({ account: accountOf(connection), ...place }),
    );
    const ofCursors = this.connections.flatMap((connection) => {
      const account = accountOf(connection);
      const count = moments ? this.source.momentsOf(account) : 0;
      return Array.from({ length: count }, (_, index) => ({ id: momentId(account, index + 1), version: 0 }));
    });
    return { wanted: places, records: [...ofDays, ...ofCursors], atLeast: places.length, ...more };
  }

  async settled(goal: Goal, withinMs = 60_000): Promise<Problem[]> {
    const until = performance.now() + withinMs;
    for (;;) {
      const isLate = performance.now() > until;
      // Everything is read and hashed only once it looks as if it were all there.
      if (isLate || (await this.#looksDone(goal))) {
        const problems = checkSettled(await this.#evidence(), goal);
        if (problems.length === 0 || isLate) return problems;
      }
      await delay(300);
    }
  }

  sql<Row>(statement: string): Promise<Row[]> {
    return select(this.databaseUrl, statement);
  }

  summary(): string {
    const { history, source } = this;
    const slowest = Math.max(0, ...recoveries(history.operations).map(({ afterMs }) => afterMs));
    const told = (op: string): number => history.count({ op, type: 'ok' });
    return (
      `seed ${this.seed}: ${told('read')} answers of the source (${history.count({ op: 'read', type: 'info' })} not whole), ` +
      `${told('slice')} slices and ${told('run')} runs told as done, ${this.hosts.length} hosts, ` +
      `${told('kill') + told('point')} killed, ${source.counts.renewals} renewals; worst recovery ${slowest} ms`
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.kill()));
    await this.source.close();
    rmSync(this.#folder, { recursive: true, force: true });
    const name = new URL(this.databaseUrl).pathname.slice(1);
    await select(this.#options.server.url, `drop database if exists ${name} with (force)`);
  }

  async #looksDone({ wanted }: Goal): Promise<boolean> {
    const [seen] = await this.sql<{ days: number }>(
      `select count(*)::int as days from app.slice_ledger where outcome <> 'failed'
         and dataset in (${dayDatasets.map((name) => `'${name}'`).join(', ')})`,
    ).catch(() => []);
    return seen !== undefined && seen.days >= wanted.length;
  }

  async #evidence(): Promise<Evidence> {
    // What is told from now on may be of later than what is seen; what was served is noted when it has left.
    const history = [...this.history.operations];
    const seen = (await observe(this.databaseUrl)) ?? empty;
    return {
      seed: this.seed,
      served: this.source.served,
      history,
      seen,
      logs: this.hosts.map((host) => host.log()),
      secrets: [...this.source.secrets],
    };
  }
}

/** Opens a lab with an empty database. */
export async function openLab(options: LabOptions): Promise<Lab> {
  const name = `chaos_${randomBytes(6).toString('hex')}`;
  await select(options.server.url, `create database ${name} template template0`);
  const url = new URL(options.server.url);
  url.pathname = `/${name}`;
  const folder = mkdtempSync(join(tmpdir(), 'otw-chaos-'));
  const history = createHistory(join(folder, 'history.jsonl'));
  const source = await startVerifiableSource(options.seed, history);
  return new OpenLab(options, { history, source, url: url.href, folder });
}
