import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { surfaceOf, type Surface } from '../surface.ts';
import type { TestServer } from '../server.ts';
import type { ConnectorSubject, OpenSource, SinkSubject, Subject } from '../subject.ts';
import type { HostRun, SuiteHost } from '../suite-host.ts';
import { honestWindow, oldest, openHonest, openHonestLarge } from './honest-source.ts';
import { storedIn } from './honest-sink.ts';
import { lies } from './lies.ts';
import { lyingConnector, lyingSink } from './module.ts';
import { sinkLies } from './sink-lies.ts';
import { addDays } from '../../windows.ts';

/** A double that breaks one promise, and must fail its check. */
export interface Liar {
  /** Number of the check. */
  readonly check: number;
  /** What it does. */
  readonly lie: string;
  /** What the suite is told of it. */
  readonly subject: Subject;
}

const file = join(import.meta.dirname, `module${extname(import.meta.filename)}`);

function moduleOf(kind: 'connector' | 'sink', lie: string): string {
  const url = pathToFileURL(file);
  url.search = new URLSearchParams({ kind, lie }).toString();
  return url.href;
}

/** What the suite is told of its own connector, or of one that lies. */
export function connectorSubject(lie = ''): ConnectorSubject {
  return {
    plugin: lyingConnector(lie),
    module: moduleOf('connector', lie),
    open: openHonest,
    openLarge: openHonestLarge,
    window: honestWindow,
    outOfRange: { from: addDays(oldest, -10), to: addDays(oldest, -9) },
    // A liar is found out sooner or later; an honest one has time, also on a busy machine.
    timeLimitMs: lie in lies ? 1500 : 10_000,
  };
}

/** What the suite is told of its own sink, or of one that lies. */
export function sinkSubject(lie = ''): SinkSubject {
  return {
    plugin: lyingSink(lie),
    module: moduleOf('sink', lie),
    async open() {
      const directory = await mkdtemp(join(tmpdir(), 'otw-suite-'));
      const path = join(directory, 'events.sqlite');
      return {
        config: { file: path, password: 'password-of-the-sink' },
        stored: async () => storedIn(path),
        close: () => rm(directory, { recursive: true, force: true }),
      };
    },
  };
}

const published: Surface = {
  ...surfaceOf(lyingConnector('')),
  datasets: { steps: { granularity: 'day' }, sleep: { granularity: 'day' } },
};

/** A host whose metrics say that one event more was read than came to an end. */
const forgetful: SuiteHost = {
  async run({ connection }): Promise<HostRun> {
    const metrics = [
      `otw_events_read_total{connection="${connection}"} 5`,
      `otw_events_total{connection="${connection}",outcome="written"} 4`,
    ];
    return { status: 'succeeded', metrics: metrics.join('\n'), said: '' };
  },
  close: async () => undefined,
};

function numberOf(lie: string): number {
  return Number.parseInt(lie, 10);
}

function openBehindProxy(server: TestServer, person: 1 | 2): OpenSource {
  const source = openHonest(server, person);
  return { ...source, config: { ...source.config, proxy: { password: 'password-of-the-proxy' } } };
}

/** What else a lie needs to be told. */
function told(lie: string, subject: ConnectorSubject): ConnectorSubject {
  if (numberOf(lie) === 5) return { ...subject, published };
  // Longer than the time-out that the other datasets have.
  if (numberOf(lie) === 27) return { ...subject, timeLimitMs: 3000 };
  return lie.includes('proxy') ? { ...subject, open: openBehindProxy } : subject;
}

/** Every lying double: at least one for each check. */
export const liars: readonly Liar[] = [
  ...Object.keys(lies).map((lie) => ({
    check: numberOf(lie),
    lie,
    subject: told(lie, connectorSubject(lie)),
  })),
  ...Object.keys(sinkLies).map((lie) => ({ check: numberOf(lie), lie, subject: sinkSubject(lie) })),
  { check: 45, lie: '45 an event in no count', subject: { ...connectorSubject(), host: forgetful } },
];
