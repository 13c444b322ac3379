import { Counter, Gauge, type Registry } from 'prom-client';
import type { JobCount } from './job-queue.ts';

/** What is told of the queue and of other hosts at each scrape. */
export interface QueueMetricSources {
  readonly jobs: () => Promise<readonly JobCount[]>;
  /** Connections that this process has taken over from hosts that ended. */
  readonly takeovers: () => number;
  /** Writes of this process that were refused, since another host had the connection. */
  readonly fencedWrites: () => number;
}

const states = ['waiting', 'later', 'active'] as const;

/** Registers the metrics of the queue; with the database away those that it answers keep their last numbers. */
export function registerQueueMetrics(registers: Registry[], sources: QueueMetricSources): void {
  const sum = (counts: readonly JobCount[], state: string): number =>
    counts.filter((each) => each.state === state).reduce((total, { count }) => total + count, 0);
  const waiting = new Gauge({
    name: 'otw_runs_waiting',
    help: 'Runs that are due or asked for and that no host has had room for; backfills are left out',
    registers,
  });
  new Gauge({
    name: 'otw_queue_jobs',
    help: 'Jobs of all hosts: waiting, later (given back a moment ago), active',
    labelNames: ['state'],
    registers,
    async collect() {
      const counts = await sources.jobs().catch(() => undefined);
      if (!counts) return;
      for (const state of states) this.set({ state }, sum(counts, state));
      waiting.set(
        sum(
          counts.filter(({ queue }) => queue === 'run'),
          'waiting',
        ),
      );
    },
  });
  registerTotals(registers, sources);
}

function registerTotals(registers: Registry[], { takeovers, fencedWrites }: QueueMetricSources): void {
  const total = (name: string, help: string, read: () => number): void =>
    void new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  total('otw_takeovers_total', 'Connections taken over from hosts that ended or were silent', takeovers);
  total(
    'otw_fenced_writes_total',
    'Writes that were refused, since another host had taken the connection over',
    fencedWrites,
  );
}
