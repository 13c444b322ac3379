import { setTimeout as delay } from 'node:timers/promises';
import type { Problem } from './checker.ts';
import { changeSomething } from './kill-rounds.ts';
import type { Lab, LabServer } from './lab.ts';
import { inLab, type Report } from './report.ts';

const hourMs = 3_600_000;
const offsets = { 'an hour behind': -hourMs, 'a day ahead': 24 * hourMs, 'ten years ahead': 87_660 * hourMs };
const intervalSeconds = 2;
const watchedMs = 8_000;

/** Runs of a connection beyond those that its interval leaves room for. */
function tooMany({ history, connections }: Lab, since: number): Problem[] {
  const room = Math.ceil((history.now() - since) / (intervalSeconds * 1000)) + 1;
  return connections.flatMap((connection) => {
    const runs = history.operations.filter(
      ({ op, type, id, t }) => op === 'run' && type === 'invoke' && id === connection && t > since,
    ).length;
    const message = `${connection} was run ${runs} times where its interval has room for ${room}`;
    return runs > room ? [{ invariant: 'I5', message }] : [];
  });
}

/** Fault 45: hosts whose clocks are off work side by side. No connection has two runs at once, or more than its interval allows. */
export function clockFaults({
  server,
  seed,
}: {
  readonly server: LabServer;
  readonly seed: number;
}): Promise<Report> {
  const options = { server, seed, connections: 4, backfillDays: 3, intervalSeconds };
  return inLab('clocks that are off', options, async (lab, note) => {
    const hosts = Object.entries(offsets).map(([name, clockOffsetMs]) => {
      note(`a host ${name}`);
      return lab.started({ clockOffsetMs });
    });
    await Promise.all(hosts);
    const since = lab.history.now();
    const changing = setInterval(() => changeSomething(lab), 300);
    await delay(watchedMs);
    clearInterval(changing);
    const problems = tooMany(lab, since);
    await Promise.all(lab.hosts.map((host) => host.kill()));
    // The host whose clock is right finishes what the others may have taken for days to come.
    await lab.started();
    return [...problems, ...(await lab.settled(lab.goal({ skewed: true })))];
  });
}

const blockedMs = 5_000;

/** Fault 10: a host whose event loop stands still for 5 s keeps what it has. */
export function blockedHost({
  server,
  seed,
}: {
  readonly server: LabServer;
  readonly seed: number;
}): Promise<Report> {
  // Far enough apart that in the end there is a moment in which nothing runs.
  const options = { server, seed, connections: 3, intervalSeconds: 5 };
  return inLab('an event loop that stands still', options, async (lab) => {
    const [blocked] = await Promise.all([lab.started(), lab.started()]);
    const list = () =>
      lab.sql<{ host_id: string }>(`select host_id from app.host where pid = ${blocked.pid}`);
    await blocked.tells(({ op, type }) => op === 'slice' && type === 'ok');
    const [before] = await list();
    const over = blocked.tells(({ op }) => op === 'block');
    blocked.command({ do: 'block', ms: blockedMs });
    await over;
    await delay(1_500);
    const [after] = await list();
    const same = before !== undefined && before.host_id === after?.host_id;
    const lost: Problem[] = same
      ? []
      : [{ invariant: 'I5', message: 'a host that was busy was declared dead' }];
    return [...lost, ...(await lab.settled(lab.goal()))];
  });
}
