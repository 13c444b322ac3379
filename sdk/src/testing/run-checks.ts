import { Broken, Skip, type Check } from './check.ts';
import { checks } from './checks/index.ts';
import type { Subject } from './subject.ts';

/** What became of one check. */
export interface CheckResult {
  /** The check, as the list describes it. */
  readonly check: Pick<Check, 'id' | 'topic' | 'title' | 'why'>;
  /** `skipped` with a reason the subject or the plugin itself gives; `undeclared` where the subject is silent. */
  readonly status: 'passed' | 'failed' | 'skipped' | 'undeclared';
  /** Why it failed or was skipped. */
  readonly reason?: string;
  /** 0 where it did not begin. */
  readonly durationMs: number;
}

/** What became of all checks that are about such a plugin. */
export interface Report {
  /** The plugin's own name, such as `garmin`. */
  readonly plugin: string;
  /** As the plugin says it. */
  readonly version: string;
  /** Which checks are about it. */
  readonly kind: 'connector' | 'sink';
  /** One for each check that was run, in the order of the list. */
  readonly results: readonly CheckResult[];
}

/** The checks that are about plugins of the subject's kind, in order. */
function checksFor(subject: Subject): readonly Check[] {
  return checks.filter((check) => check.of === 'plugin' || check.of === subject.plugin.kind);
}

/** Longest time of one check, in milliseconds; the gigabyte of check 37 may take four times as long. */
const longestMs = 150_000;
const largeCheck = 37;

/** Runs the check; what does not end, and a rejection that the plugin leaves unhandled meanwhile, break it. */
async function withinLimit(check: Check, subject: Subject): Promise<void> {
  const limit = check.id === largeCheck ? 4 * longestMs : longestMs;
  let giveUp: (error: Error) => void = () => undefined;
  const given = new Promise<never>((_, reject) => (giveUp = reject));
  const late = setTimeout(() => giveUp(new Broken(`Expected an end within ${limit} ms, got none`)), limit);
  const unhandled = (error: unknown): void =>
    giveUp(new Broken(`Expected every rejection to be handled, got ${String(error)}`));
  process.on('unhandledRejection', unhandled);
  try {
    await Promise.race([check.run(subject), given]);
    // What nobody waits for is told a turn of the loop later.
    await Promise.race([new Promise((resolve) => setImmediate(resolve)), given]);
  } finally {
    clearTimeout(late);
    process.off('unhandledRejection', unhandled);
  }
}

// What every plugin can show, whatever it is and wherever its data come from.
const alwaysOfAll = [1, 2, 3, 4, 6, 11];
const always: Readonly<Record<Subject['plugin']['kind'], ReadonlySet<number>>> = {
  connector: new Set([...alwaysOfAll, 7, 12, 13, 16, 19, 28]),
  sink: new Set([...alwaysOfAll, 39, 40, 41, 42, 43, 44]),
};

/** What the subject's own reason for skipping a check leads to; undefined where it gives none. */
function declared(
  { id }: Check,
  { skips, plugin: { kind } }: Subject,
): Pick<CheckResult, 'status' | 'reason'> | undefined {
  const reason = skips?.[id];
  if (reason === undefined) return undefined;
  if (always[kind].has(id))
    return {
      status: 'failed',
      reason: `Expected check ${id} to be run, since it is about every ${kind}, got a reason to skip it: take ${id} out of skips`,
    };
  if (reason.trim() !== '') return { status: 'skipped', reason };
  return {
    status: 'undeclared',
    reason: `Expected skips to say why check ${id} says nothing of this plugin, got an empty reason: write it, or take ${id} out of skips`,
  };
}

/** Runs one check; never rejects. */
export async function runCheck(check: Check, subject: Subject): Promise<CheckResult> {
  const { id, topic, title, why } = check;
  const about = { check: { id, topic, title, why } };
  const skipped = declared(check, subject);
  if (skipped) return { ...about, ...skipped, durationMs: 0 };
  const begun = performance.now();
  const lasted = (): number => Math.round(performance.now() - begun);
  try {
    await withinLimit(check, subject);
    return { ...about, status: 'passed', durationMs: lasted() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : `Expected an Error, got ${String(error)}`;
    if (!(error instanceof Skip)) return { ...about, status: 'failed', reason, durationMs: lasted() };
    return { ...about, status: error.isOutOfScope ? 'skipped' : 'undeclared', reason, durationMs: lasted() };
  }
}

/** Runs all checks that are about the plugin, one after the other; `onResult` is told of each as it is known. */
export async function runChecks(
  subject: Subject,
  options: {
    /** Numbers of the checks to run; all where it is left out. */
    readonly only?: readonly number[];
    /** Told of each result as it is known. */
    readonly onResult?: (result: CheckResult) => void;
  } = {},
): Promise<Report> {
  const results: CheckResult[] = [];
  for (const check of checksFor(subject)) {
    if (options.only?.includes(check.id) === false) continue;
    const result = await runCheck(check, subject);
    results.push(result);
    options.onResult?.(result);
  }
  const { name, version, kind } = subject.plugin;
  return { plugin: name, version, kind, results };
}

/** How a test is registered; `test` of vitest and of node:test are of this shape. */
export type RegisterTest = (title: string, body: () => Promise<void>) => unknown;

/**
 * Registers a test for each check that is about the plugin, and one that fails for checks skipped without a reason.
 * A check that is skipped for a reason counts as no failure; the last test prints the reasons.
 */
export function testPlugin(subject: Subject, test: RegisterTest): void {
  const skipped: string[] = [];
  const undeclared: string[] = [];
  for (const check of checksFor(subject)) {
    const known = declared(check, subject);
    if (known?.status === 'skipped') {
      skipped.push(`${check.id} ${check.title}: ${known.reason}`);
      continue;
    }
    test(`${subject.plugin.name} keeps promise ${check.id}: ${check.title}`, async () => {
      const { status, reason = '' } = await runCheck(check, subject);
      if (status === 'failed') throw new Error(`${check.id} ${check.title}: ${reason}`);
      if (status === 'undeclared') undeclared.push(`${check.id} ${check.title}: ${reason}`);
      if (status === 'skipped') skipped.push(`${check.id} ${check.title}: ${reason}`);
    });
  }
  test(`${subject.plugin.name} says why each skipped check does not apply`, async () => {
    if (skipped.length > 0)
      process.stdout.write(`${subject.plugin.name} skips:\n  ${skipped.join('\n  ')}\n`);
    if (undeclared.length === 0) return;
    throw new Error(`Expected a reason in skips of the subject for:\n  ${undeclared.join('\n  ')}`);
  });
}
