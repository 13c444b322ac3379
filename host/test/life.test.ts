// Ninety days of one account with a clock that jumps from run to run: a watch that syncs late, tokens that
// end, three storms of 429, two edits at the source, a changed password. The host, its database and the
// plugin are the real ones; Garmin is the simulator. The connector runs within the test, so that the clock
// is the same on both sides.
import type { RunSummary } from '@on-the-way/core';
import { addDays, dayAt } from '@on-the-way/sdk';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTestHost, type TestHost } from './test-host.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const zone = 'Asia/Shanghai';
const start = Date.parse('2026-01-10T09:00:00+08:00');
const days = 90;
const everyHours = 12;

const email = 'canary.runner@example.com';
const passwords = ['canary-password-one', 'canary-password-two'] as const;
const code = '48291377';

/** The simulated time of day `day` of this life. */
const at = (day: number, hour = 0): number => start + day * dayMs + hour * hourMs;

/** When the watch last met the phone: twice a day, but not at all from day 20 to day 25. */
function lastSyncAt(now: number): number {
  const steady = (time: number): number => {
    const midnight = Date.parse(`${dayAt(time, zone)}T00:00:00+08:00`);
    const times = [midnight + 7.5 * hourMs, midnight + 21.5 * hourMs].filter((sync) => sync <= time);
    return times.at(-1) ?? midnight - 2.5 * hourMs;
  };
  return now >= at(20) && now < at(25) ? steady(at(20)) : steady(now);
}

interface Life {
  readonly made: TestHost;
  readonly runs: RunSummary[];
  /** Requests of each run, however it ended. */
  readonly asked: number[];
}

const isSignIn = (path: string): boolean =>
  /^\/(mobile\/api\/login|sso\/signin|portal\/api\/login)/.test(path);

function signInsOf({ made }: Life): number {
  return made.simulator.requests.filter(({ method, path }) => method === 'POST' && isSignIn(path)).length;
}

async function signIn({ made }: Life, password: string): Promise<void> {
  const answers = [password, code];
  await made.host.signIns.signIn(made.connection, {
    signIn: { way: 'ask' },
    prompt: async () => answers.shift() ?? '',
    signal: new AbortController().signal,
  });
}

async function runOnce(life: Life): Promise<RunSummary> {
  const { made, runs, asked } = life;
  const before = made.simulator.requests.length;
  const summary = await made.run({ trigger: 'schedule', inProcess: true });
  runs.push(summary);
  asked.push(made.simulator.requests.length - before);
  return summary;
}

/** What happens on a day, before its first run. */
function eventsOf({ made }: Life): ReadonlyMap<number, () => unknown> {
  const { simulator } = made;
  let endStorm = (): void => undefined;
  const storm = (headers?: Record<string, string>) => () => {
    endStorm = simulator.answer(/^\/[a-z]+(-[a-z]+)*-service\//, {
      status: 429,
      ...(headers && { headers }),
    });
  };
  const calm = () => endStorm();
  return new Map<number, () => unknown>([
    [10, storm()],
    [11, calm],
    [40, storm({ 'retry-after': '7200' })],
    [41, calm],
    [70, storm()],
    [72, calm],
    [30, () => simulator.edit(new RegExp(`dailySleepData.*date=${dayAt(at(27), zone)}`), setScore)],
    [60, () => simulator.edit(new RegExp(`dailyHeartRate.*date=${dayAt(at(59), zone)}`), setResting)],
    [50, () => simulator.changePassword(passwords[1])],
  ]);
}

const setScore = (body: { dailySleepDTO: Record<string, unknown> }) => ({
  ...body,
  dailySleepDTO: { ...body.dailySleepDTO, sleepScoreFeedback: 'EDITED_BY_THE_PERSON' },
});
const setResting = (body: Record<string, unknown>) => ({ ...body, restingHeartRate: 61 });

async function live(life: Life): Promise<void> {
  const events = eventsOf(life);
  for (let day = 0; day < days; day += 1) {
    events.get(day)?.();
    for (let hour = 0; hour < 24; hour += everyHours) {
      vi.setSystemTime(at(day, hour));
      // The person notices two days after the password was changed.
      if (day === 53 && hour === 12) await signIn(life, passwords[1]);
      await runOnce(life);
    }
  }
}

interface Known {
  readonly dataset: string;
  readonly day: string;
  readonly outcome: string;
  readonly digest: string | null;
}

async function ledgerOf(made: TestHost): Promise<Map<string, Known>> {
  const rows = await made.query<Known>(
    `select dataset, day::text as day, outcome, digest from app.slice_ledger where connection = 'garmin'`,
  );
  return new Map(rows.map((row) => [`${row.dataset} ${row.day}`, row]));
}

/** A new host that reads all of it at once, at the end: what the source has. */
async function readAfresh(life: Life): Promise<Map<string, Known>> {
  const { simulator, connection } = life.made;
  const other = await createTestHost({
    clock: { now: () => Date.now() },
    connection: { ...connection, name: 'garmin', backfillDays: days + 10 },
  });
  try {
    const tokens = simulator.issueTokens();
    await other.host.signIns.signIn(other.connection, {
      signIn: {
        way: 'import',
        files: {
          garmin_tokens: {
            di_token: tokens.access_token,
            di_refresh_token: tokens.refresh_token,
            di_client_id: 'GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2',
          },
        },
      },
      signal: new AbortController().signal,
    });
    const summary = await other.run({ inProcess: true });
    expect(summary.error).toBeUndefined();
    return await ledgerOf(other);
  } finally {
    await other.close();
  }
}

/** Every text in the database, bytes as they are read back too. */
async function everythingStored(made: TestHost): Promise<string> {
  const tables = await made.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_schema in ('app', 'raw') and table_type = 'BASE TABLE'`,
  );
  const texts = tables.map(async ({ name }) => {
    const rows = await made.query<{ text: string }>(
      `select coalesce(string_agg(to_jsonb(t)::text, E'\\n'), '') as text from ${name} t`,
    );
    return rows[0]?.text ?? '';
  });
  return (await Promise.all(texts)).join('\n');
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: start });
});

afterEach(() => {
  vi.useRealTimers();
});

test('ninety days end complete but for what the source lacked, with no sign-in without a person and no secret told', async () => {
  const made = await createTestHost({
    clock: { now: () => Date.now() },
    simulator: {
      email,
      password: passwords[0],
      mfa: { method: 'email', code },
      syncs: lastSyncAt,
    },
    account: { email },
  });
  const life: Life = { made, runs: [], asked: [] };
  try {
    await signIn(life, passwords[0]);
    await live(life);
    vi.setSystemTime(at(days, 13));
    await runOnce(life);

    // Only the person signed in, twice.
    expect(signInsOf(life)).toBe(2);

    // Each storm: the first 429 pauses the account, so few requests go out while it lasts.
    const refused = made.simulator.requests.filter(({ status }) => status === 429).length;
    expect(refused).toBeLessThan(40);

    const known = await ledgerOf(made);
    const source = await readAfresh(life);
    const snapshots = new Set(
      (await made.host.connections.state('garmin')).datasets
        ?.filter(({ granularity }) => granularity === 'snapshot')
        .map(({ name }) => name),
    );
    const settled = addDays(dayAt(Date.now(), zone), -30);
    const differing: string[] = [];
    for (const [key, there] of source) {
      if (snapshots.has(there.dataset)) continue;
      const here = known.get(key);
      const isSame = here?.outcome === there.outcome && (there.day > settled || here.digest === there.digest);
      if (!isSame) differing.push(`${key}: ${here?.outcome ?? 'unknown'}, the source says ${there.outcome}`);
    }
    expect(source.size).toBeGreaterThan(24 * days);
    expect(differing).toEqual([]);
    expect([...known.values()].filter(({ outcome }) => outcome === 'failed')).toEqual([]);

    const told = [made.lines.join('\n'), JSON.stringify(life.runs), await everythingStored(made)].join('\n');
    for (const canary of [email, ...passwords, code]) expect(told).not.toContain(canary);
    // Access and refresh tokens of the simulator are JWTs, tickets begin with ST-.
    expect(told).not.toMatch(/eyJ[\w-]{8,}\.[\w-]{8,}|ST-simulated/);

    const full = life.runs.flatMap(({ skipped, status }, index) =>
      skipped === undefined && status === 'succeeded' ? [life.asked[index] ?? 0] : [],
    );
    console.log(
      `requests: ${life.asked.reduce((sum, n) => sum + n, 0)} in ${life.runs.length} runs, ` +
        `${life.runs.filter(({ skipped }) => skipped !== undefined).length} skipped; ` +
        `a full run: median ${full.toSorted((a, b) => a - b)[Math.floor(full.length / 2)]}, most ${Math.max(...full)}`,
    );
  } finally {
    await made.close();
  }
}, 600_000);
