import { runChecks, checks, countResults, formatReport, formatResult } from '@on-the-way/sdk/testing';
import type { CheckResult, Report, Subject } from '@on-the-way/sdk/testing';
import { exitCodes, HostError } from '../host-error.ts';
import { findSubject, type FoundSubject } from '../testing/find-subject.ts';
import { publish } from '../testing/publish.ts';
import { startSuiteHost } from '../testing/suite-host.ts';
import { print, printJson, say } from './output.ts';
import { listenForStop, type Stop } from './stop-signals.ts';

/** Options of `otw plugin test`. */
export interface PluginTestOptions {
  readonly json?: boolean;
  /** Numbers of checks, with commas between them. */
  readonly only?: string;
  /** Write what is shown beside package.json. */
  readonly publish?: boolean;
}

/** @throws HostError (exit 2) for anything but numbers of checks that are about such a plugin. */
function chosenChecks(text: string, { plugin: { kind } }: Subject): number[] {
  const known = checks.filter((check) => check.of === 'plugin' || check.of === kind).map(({ id }) => id);
  return text.split(',').map((part) => {
    const id = known.find((one) => String(one) === part.trim());
    if (id !== undefined) return id;
    throw new HostError(
      exitCodes.usage,
      `--only: expected numbers of checks of a ${kind} (${known.join(', ')}), found ${part}; for example --only 1,6`,
    );
  });
}

/** What a plugin prints in this process goes where talk goes: stdout is for the results. */
async function withTalkApart<T>(work: () => Promise<T>): Promise<T> {
  const { stdout, stderr } = process;
  const { write } = stdout;
  stdout.write = stderr.write.bind(stderr);
  try {
    return await work();
  } finally {
    stdout.write = write;
  }
}

interface Testing {
  readonly found: FoundSubject;
  readonly only: readonly number[] | undefined;
  readonly stop: Stop;
  readonly onResult: (result: CheckResult) => void;
}

/** Resolves with what is known when all is done, or when a signal stops it. */
async function reportOf({ found: { subject }, only, stop, onResult }: Testing): Promise<Report> {
  const { name, version, kind } = subject.plugin;
  const results: CheckResult[] = [];
  const host = await startSuiteHost();
  const stopped = Promise.withResolvers<void>();
  stop.signal.addEventListener('abort', () => stopped.resolve(), { once: true });
  const running = runChecks(
    { host, ...subject },
    {
      ...(only && { only }),
      onResult(result) {
        results.push(result);
        if (!stop.signal.aborted) onResult(result);
      },
    },
  );
  try {
    await Promise.race([running, stopped.promise]);
    return { plugin: name, version, kind, results: [...results] };
  } finally {
    await host.close();
  }
}

function exitCodeOf(report: Report): number {
  const { failed, undeclared } = countResults(report);
  if (failed > 0) return exitCodes.failed;
  return undeclared > 0 ? exitCodes.incomplete : exitCodes.done;
}

function show(report: Report, { json }: PluginTestOptions): void {
  if (json === true) printJson({ ...report, counts: countResults(report) });
  else print(formatReport(report));
}

interface Tested {
  readonly found: FoundSubject;
  readonly report: Report;
}

async function testAt(path: string, options: PluginTestOptions, stop: Stop): Promise<Tested> {
  const found = await findSubject(path, process.cwd());
  const { subject, isDeclared } = found;
  const only = options.only === undefined ? undefined : chosenChecks(options.only, subject);
  if (!isDeclared)
    say(
      `${subject.plugin.name} has no subject: it is tested with the configuration {} and no double of a source.`,
    );
  // Where nobody watches, the table at the end is enough.
  const isWatched = options.json !== true && process.stderr.isTTY === true;
  const onResult = (result: CheckResult): void => (isWatched ? say(formatResult(result)) : undefined);
  const report = await reportOf({ found, only, stop, onResult });
  if (isWatched) say('');
  return { found, report };
}

/** Writes what is shown with the package where all is well. */
async function publishTested({ found, report }: Tested): Promise<void> {
  // What npm tells the scripts it runs for `npm publish --dry-run`: nothing will have been published.
  if (process.env['npm_config_dry_run'] === 'true') say('Nothing was written: this is a dry run of npm.');
  else if (exitCodeOf(report) === exitCodes.done)
    for (const path of await withTalkApart(() => publish(found, report))) say(`Wrote ${path}`);
  else
    say(
      'Nothing was written: --publish is for a plugin that passes each check, or says why one does not apply.',
    );
}

/** `otw plugin test`: the conformance suite, on a plugin in the folder of its package or on a module. */
export async function pluginTestCommand(path: string, options: PluginTestOptions): Promise<number> {
  if (options.publish === true && options.only !== undefined)
    throw new HostError(
      exitCodes.usage,
      '--publish: expected the whole suite, found --only: leave one of them out',
    );
  const stop = listenForStop();
  stop.onStop('Stopping: the check at work is left as it is. Once more to leave at once.');
  try {
    const tested = await withTalkApart(() => testAt(path, options, stop));
    const { report } = tested;
    show(report, options);
    const stoppedBy = stop.code();
    if (stoppedBy !== undefined) return stoppedBy;
    if (options.publish === true) await publishTested(tested);
    return exitCodeOf(report);
  } finally {
    stop.end();
  }
}
