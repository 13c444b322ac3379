import { setTimeout as delay } from 'node:timers/promises';
import { startFaultProxy, type Fault, type FaultProxy } from '../test/fault-proxy.ts';
import type { OwnPostgres } from '../test/own-postgres.ts';
import type { ChaosHost } from './chaos-host.ts';
import { changeSomething } from './kill-rounds.ts';
import type { Lab } from './lab.ts';
import { inLab, type Report } from './report.ts';

interface Hurt {
  readonly lab: Lab;
  readonly server: OwnPostgres;
  readonly proxy: FaultProxy;
}

async function through({ proxy }: Hurt, fault: Fault, forMs: number): Promise<void> {
  await proxy.set(fault);
  await delay(forMs);
  // What has lost something would hang until its time is up; the network that comes back resets it.
  await proxy.set({ kind: 'reset' });
  await proxy.set({ kind: 'none' });
}

async function readOnly({ lab }: Hurt): Promise<void> {
  const name = new URL(lab.databaseUrl).pathname.slice(1);
  await lab.sql(`alter database ${name} set default_transaction_read_only = on`);
  await lab.sql(endSessions);
  await delay(1_500);
  // In a session that is read-only from its first word.
  await lab.sql(`begin read write; alter database ${name} reset default_transaction_read_only; commit`);
  await lab.sql(endSessions);
}

const endSessions = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`;

type Faults = Readonly<Record<string, (hurt: Hurt) => Promise<unknown>>>;

/** Faults 14 to 19 that are over soon. */
const quick: Faults = {
  'crash of the database': ({ server }) => server.restart(),
  'sessions ended': ({ lab }) => lab.sql(endSessions),
  'failover to read-only': readOnly,
  'reply to a commit lost': (hurt) => through(hurt, { kind: 'swallow-replies', from: 'COMMIT' }, 1_500),
  'connections reset': (hurt) => through(hurt, { kind: 'reset' }, 300),
  'database away': (hurt) => through(hurt, { kind: 'down' }, 1_500),
};

/** Those that last longer than any wait of the product, and those that are slow. */
const lasting: Faults = {
  'black hole': (hurt) => through(hurt, { kind: 'black-hole' }, 20_000),
  'reply to a ledger write lost': (hurt) =>
    through(hurt, { kind: 'swallow-replies', from: 'slice_ledger' }, 17_000),
  'two seconds a statement': (hurt) => through(hurt, { kind: 'latency', ms: 2_000 }, 30_000),
  async 'database frozen'({ server }) {
    server.signal('SIGSTOP');
    await delay(20_000);
    server.signal('SIGCONT');
  },
  'crash again': ({ server }) => server.restart(),
};

/** Resolves when the host does slices again. */
async function progress(host: ChaosHost): Promise<void> {
  await host.tells(({ op, type }) => op === 'slice' && type === 'ok');
}

async function measure(host: ChaosHost): Promise<void> {
  const told = host.tells(({ op }) => op === 'usage');
  host.command({ do: 'usage' });
  await told;
}

async function hurtBy(
  name: string,
  work: Faults[string],
  hurt: Hurt & { readonly host: ChaosHost },
): Promise<string> {
  const { lab, host } = hurt;
  lab.history.add({ proc: 'suite', op: 'fault', id: name, type: 'ok' });
  await work(hurt);
  const { t } = lab.history.add({ proc: 'suite', op: 'calm', id: name, type: 'ok' });
  await progress(host);
  return `${name}: work went on ${lab.history.now() - t} ms after its end`;
}

/**
 * Faults 14 to 19: a host at work over a source that changes its answers all the time, and a database, or a network
 * before it, that does what those do. The host must live, go on, and have everything in the end.
 */
export async function databaseFaults(options: {
  readonly server: OwnPostgres;
  readonly seed: number;
  readonly long: boolean;
}): Promise<Report> {
  const { server, seed } = options;
  const proxy = await startFaultProxy(server.port);
  try {
    return await inLab(
      'faults of the database under load',
      { server, seed, connections: 3, through: proxy.through },
      async (lab, note) => {
        const host = await lab.started();
        await progress(host);
        const changing = setInterval(() => changeSomething(lab), 100);
        await measure(host);
        const faults = Object.entries(options.long ? { ...quick, ...lasting } : quick);
        try {
          for (const [name, work] of faults) note(await hurtBy(name, work, { lab, server, proxy, host }));
        } finally {
          clearInterval(changing);
        }
        const problems = await lab.settled(lab.goal(), 90_000);
        await measure(host);
        return problems.length > 0 ? problems : lab.settled(lab.goal(), 5_000);
      },
    );
  } finally {
    await proxy.close();
  }
}
