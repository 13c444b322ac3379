import { isUnasked, type Bus, type EventCounts, type RunSummary, type SliceOutcome } from '@on-the-way/core';
import type { NotificationOutcome } from './notify/deliver.ts';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { registerQueueMetrics, type QueueMetricSources } from './queue/queue-metrics.ts';

/** Numbers that are looked up when somebody asks for them. */
export interface MetricSources {
  /** Streams of GET /v1/events that are open. */
  readonly streams: () => number;
  /** Database sessions of the host, by what they do. */
  readonly pool: () => Readonly<Record<'used' | 'idle' | 'waiting', number>>;
  /** Processes of connectors, by what they do. */
  readonly processes: () => Readonly<Record<'busy' | 'idle' | 'waiting', number>>;
  /** When the last run of each connection that succeeded ended; milliseconds since 1970. */
  readonly lastSuccesses: () => Promise<ReadonlyMap<string, number>>;
  /** What all hosts do together. */
  readonly queue: QueueMetricSources;
}

/** What the host counts and measures, served at GET /metrics (docs/metrics.md). */
export interface Metrics {
  readonly ingest: {
    /** One request to store an event: `contract` must be a name that is served or `unknown`, `code` is `ok` or that of the refusal. */
    observe(request: { readonly contract: string; readonly code: string; readonly seconds: number }): void;
    /** Events that were written in one transaction. */
    group(size: number): void;
  };
  readonly http: {
    /** One answered request: `route` must be the template of its path, never the path itself. */
    observe(request: {
      readonly method: string;
      readonly route: string;
      readonly status: number;
      readonly seconds: number;
    }): void;
  };
  /** A try to deliver a notification: `delivered`, `retried` or `dropped`. */
  notification(outcome: NotificationOutcome): void;
  /** Value of the Content-Type header that goes with `text`. */
  readonly contentType: string;
  /** All of it in the text format of Prometheus. Never rejects for want of the database. */
  text(): Promise<string>;
}

/** Buckets in seconds, from what a stored event takes to what a caller gives up at. */
const requestSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const runSeconds = [0.1, 0.5, 1, 5, 15, 30, 60, 180, 600, 1800, 3600, 10_800];

/** One outcome for all days of a slice: a failure is never hidden by a day that went well. */
function outcomeOf(outcomes: readonly SliceOutcome[]): string {
  const order = ['failed', 'ok', 'no_data'] as const;
  return order.find((wanted) => outcomes.some(({ outcome }) => outcome === wanted)) ?? 'not_supported';
}

function runMetrics(registers: Registry[]) {
  return {
    runs: new Counter({
      name: 'otw_runs_total',
      help: 'Runs that ended, by how they ended',
      labelNames: ['connection', 'status'],
      registers,
    }),
    duration: new Histogram({
      name: 'otw_run_duration_seconds',
      help: 'How long runs took',
      labelNames: ['connection'],
      buckets: runSeconds,
      registers,
    }),
    slices: new Counter({
      name: 'otw_slices_total',
      help: 'Slices that were asked for, by their outcome: failed where a day of it failed',
      labelNames: ['connection', 'outcome'],
      registers,
    }),
    read: new Counter({
      name: 'otw_events_read_total',
      help: 'Events that connectors handed to runs, read again or not: the sum of otw_events_total',
      labelNames: ['connection'],
      registers,
    }),
    events: new Counter({
      name: 'otw_events_total',
      help: 'Events that connectors handed to runs, by what became of them',
      labelNames: ['connection', 'outcome'],
      registers,
    }),
    requests: new Counter({
      name: 'otw_source_requests_total',
      help: 'Requests that runs made to the source',
      labelNames: ['connection'],
      registers,
    }),
    breakers: new Gauge({
      name: 'otw_breaker_open',
      help: '1 while a dataset is left alone after failures in a row',
      labelNames: ['connection', 'dataset'],
      registers,
    }),
  };
}

type RunMetrics = ReturnType<typeof runMetrics>;

function countRun({ runs, duration, requests, breakers }: RunMetrics, summary: RunSummary): void {
  const { connection, status, startedAt, finishedAt, datasets } = summary;
  runs.inc({ connection, status });
  duration.observe({ connection }, (finishedAt - startedAt) / 1000);
  requests.inc({ connection }, summary.requests);
  // Breakers last for a run; the next one asks for everything again.
  for (const dataset of Object.keys(datasets)) breakers.set({ connection, dataset }, 0);
}

/** The labels of what became of events. */
const eventOutcomes: Record<Exclude<keyof EventCounts, 'read'>, string> = {
  written: 'written',
  unchanged: 'unchanged',
  conflicts: 'conflict',
  setAside: 'set_aside',
  givenUp: 'given_up',
};

function followRuns(bus: Bus, metrics: RunMetrics): void {
  const { slices, read, events, breakers } = metrics;
  bus.on('slice:finished', ({ connection, outcomes }) => {
    if (outcomes.every(isUnasked)) return;
    slices.inc({ connection, outcome: outcomeOf(outcomes) });
  });
  bus.on('events:counted', ({ connection, counts }) => {
    read.inc({ connection }, counts.read);
    for (const [key, outcome] of Object.entries(eventOutcomes)) {
      events.inc({ connection, outcome }, counts[key as keyof EventCounts]);
    }
  });
  bus.on('breaker:opened', (label) => breakers.set({ ...label }, 1));
  bus.on('breaker:closed', (label) => breakers.set({ ...label }, 0));
  bus.on('run:finished', (summary) => countRun(metrics, summary));
}

/** Numbers that are looked up at each scrape. */
function registerLookups(
  registers: Registry[],
  { streams, pool, processes, lastSuccesses }: MetricSources,
): void {
  new Gauge({
    name: 'otw_sse_streams',
    help: 'Streams of GET /v1/events that are open',
    registers,
    collect() {
      this.set(streams());
    },
  });
  new Gauge({
    name: 'otw_database_pool',
    help: 'Database sessions of the host: used, idle, and callers waiting for one',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(pool())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'otw_connector_processes',
    help: 'Processes of connectors: busy, idle, and runs waiting for one',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(processes())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'otw_connection_last_success_timestamp_seconds',
    help: 'When the last run that succeeded ended, on whichever host; missing before the first',
    labelNames: ['connection'],
    registers,
    async collect() {
      // With the database away the numbers of the last time stand: a scrape tells of the rest all the same.
      const known = await lastSuccesses().catch(() => new Map<string, number>());
      for (const [connection, at] of known) this.set({ connection }, at / 1000);
    },
  });
}

function ingestMetrics(registers: Registry[]): Metrics['ingest'] {
  const requests = new Counter({
    name: 'otw_ingest_requests_total',
    help: 'Events that were posted, by contract and code of the answer',
    labelNames: ['contract', 'code'],
    registers,
  });
  const duration = new Histogram({
    name: 'otw_ingest_duration_seconds',
    help: 'From when a posted event came in to its verdict',
    labelNames: ['contract'],
    buckets: requestSeconds,
    registers,
  });
  const groups = new Histogram({
    name: 'otw_ingest_group_size',
    help: 'Posted events that were written in one transaction',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    registers,
  });
  return {
    observe({ contract, code, seconds }) {
      requests.inc({ contract, code });
      duration.observe({ contract }, seconds);
    },
    group: (size) => groups.observe(size),
  };
}

function httpMetrics(registers: Registry[]): Metrics['http'] {
  const requests = new Counter({
    name: 'otw_http_requests_total',
    help: 'Answered requests, by the template of their path',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const duration = new Histogram({
    name: 'otw_http_request_duration_seconds',
    help: 'From a request to the end of its answer; streams are left out',
    labelNames: ['route'],
    buckets: requestSeconds,
    registers,
  });
  return {
    observe({ method, route, status, seconds }) {
      requests.inc({ method, route, status });
      if (route !== '/v1/events') duration.observe({ route }, seconds);
    },
  };
}

function notificationMetrics(registers: Registry[]): Metrics['notification'] {
  const tries = new Counter({
    name: 'otw_notifications_total',
    help: 'Tries to deliver a notification, by what became of them',
    labelNames: ['outcome'],
    registers,
  });
  return (outcome) => tries.inc({ outcome });
}

/** Makes the metrics of one host, which listen to its bus from then on. */
export function createMetrics(bus: Bus, sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  followRuns(bus, runMetrics(registers));
  registerLookups(registers, sources);
  registerQueueMetrics(registers, sources.queue);
  collectDefaultMetrics({ register: registry });
  return {
    ingest: ingestMetrics(registers),
    http: httpMetrics(registers),
    notification: notificationMetrics(registers),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
