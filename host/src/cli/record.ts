import { createPolicies, failureOf } from '@on-the-way/core';
import { addDays, countDays, dayAt, formatInstant, type Window } from '@on-the-way/sdk';
import type { ConnectionConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { recordDatasets, type RecordingOutcome } from '../record-datasets.ts';
import { createRecordingFolder, type RecordingFolder } from '../recording-folder.ts';
import { chosenConnection, withContext, type CommandContext, type GlobalOptions } from './context.ts';
import { exitCodeOfError } from './exit-code.ts';
import { formatTable, paint, print, printJson, say, simulatedNote } from './output.ts';
import { terminalPrompt } from './prompt.ts';
import { windowOption } from './run.ts';

/** Options of `otw record`. */
export interface RecordOptions extends GlobalOptions {
  readonly redact?: boolean;
  readonly out?: string;
  readonly from?: string;
  readonly to?: string;
  readonly dataset?: string;
}

const defaultDays = 7;
const advice =
  'Look through the files before you share them: what was typed in by hand or is new at the source may have come through.';

const readme = (connector: string, dataDays: number): string => `# A redacted recording

Answers of ${connector} for ${dataDays} days, recorded with \`otw record --redact\` and replayable by a simulator.
\`index.json\` lists them: file, metric_type, method, path, query, status. A file of no bytes is an empty body.

Measurements are as they came. What tells a person, a place or a time was replaced before it was written: ids and names
by inventions that are the same throughout, every date by one a whole number of weeks away, times of day by some minutes
as well, places and free text by fixed words. The replacement cannot be undone: what it was made with was kept nowhere.
`;

function checkOptions({ redact, out }: RecordOptions): string {
  if (redact !== true) {
    throw new HostError(
      exitCodes.usage,
      'Expected --redact, found nothing: a recording as it came would hold names, places and times of a person, ' +
        'and is never made; for example otw record garmin --redact --out recording',
    );
  }
  if (out !== undefined && out.trim() !== '') return out;
  throw new HostError(
    exitCodes.usage,
    'Expected --out with a folder, found none; for example --out recording',
  );
}

function wanted(options: RecordOptions, today: string): Window {
  const last = { from: addDays(today, 1 - defaultDays), to: addDays(today, 1) };
  if (options.from !== undefined || options.to === undefined) return windowOption(options, today) ?? last;
  const upTo = windowOption(options, today)?.to ?? last.to;
  return { from: addDays(upTo, -defaultDays), to: upTo };
}

interface Recorded {
  readonly folder: RecordingFolder;
  readonly outcome: RecordingOutcome;
  readonly out: string;
}

function show({ folder, outcome, out }: Recorded, { redactor, config }: CommandContext, json: boolean): void {
  const failures = outcome.failures.map(({ dataset, window, code, message, retryAfterMs }) => ({
    dataset,
    from: window.from,
    to: addDays(window.to, -1),
    code,
    message: redactor.redact(message),
    not_before: retryAfterMs === undefined ? null : formatInstant(Date.now() + retryAfterMs, config.timeZone),
  }));
  const answers = Object.fromEntries(folder.answers);
  const replaced = Object.fromEntries(folder.replaced);
  if (json) {
    printJson({ out, answers, replaced, failures, not_supported: outcome.notSupported });
  } else {
    print(formatTable(['dataset', 'answers'], [...folder.answers]));
    print(`\n${formatTable(['replaced', 'times'], [...folder.replaced])}`);
    const total = [...folder.answers.values()].reduce((sum, count) => sum + count, 0);
    print(`\n${paint(failures.length === 0 ? 'green' : 'yellow', 'recorded')}: ${total} answers in ${out}`);
  }
  for (const { dataset, from, to, code, message } of failures)
    say(`${dataset}, ${from} to ${to}: ${code}: ${message}`);
  if (outcome.notSupported.length > 0) say(`Not supported: ${outcome.notSupported.join(', ')}`);
  say(advice);
}

async function fill(
  { host, config }: CommandContext,
  connection: ConnectionConfig,
  { folder, options, signal }: { folder: RecordingFolder; options: RecordOptions; signal: AbortSignal },
): Promise<RecordingOutcome> {
  const clock = { now: () => Date.now() };
  const today = dayAt(clock.now(), connection.timeZone);
  const window = wanted(options, today);
  const onlyDatasets = options.dataset?.split(',').map((part) => part.trim());
  const only = onlyDatasets && { onlyDatasets };
  const prompt = terminalPrompt();
  if (config.demo) say(simulatedNote);
  const policies = createPolicies(connection.policies, { connection: connection.name, bus: host.bus, clock });
  const outcome = await host.service.withRecording(
    connection,
    { signal, ...only, ...(prompt && { prompt }), record: (answer) => folder.add(answer) },
    (connector) => {
      const onDataset = (dataset: string): void => say(`recording ${dataset}`);
      return recordDatasets(connector, { window, today, ...only, policies, signal, onDataset });
    },
  );
  folder.finish(readme(connection.plugin, countDays(window.from, window.to)));
  return outcome;
}

async function recordOne(
  context: CommandContext,
  name: string | undefined,
  options: RecordOptions,
  signal: AbortSignal,
): Promise<number> {
  const connection = chosenConnection(context.config, name);
  const out = checkOptions(options);
  const folder = createRecordingFolder(out);
  try {
    const outcome = await fill(context, connection, { folder, options, signal });
    show({ folder, outcome, out }, context, options.json === true);
    if (outcome.stoppedBy) return exitCodeOfError(outcome.stoppedBy.code, exitCodes.incomplete);
    return outcome.failures.length > 0 ? exitCodes.incomplete : exitCodes.done;
  } catch (error) {
    if (signal.aborted || error instanceof HostError) throw error;
    const { code, message } = failureOf(error);
    throw new HostError(exitCodeOfError(code), `${code}: ${context.redactor.redact(message)}`, {
      cause: error,
    });
  } finally {
    folder.discard();
  }
}

/** `otw record`: a connection's answers with the person taken out, as files that can be replayed. */
export async function recordCommand(name: string | undefined, options: RecordOptions): Promise<number> {
  // Before anything is opened: a slip of the pen should not cost a login.
  checkOptions(options);
  const stop = new AbortController();
  let signalled: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signalled !== undefined) process.exit(signalled);
    signalled = signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    say('Stopping; nothing is kept. Once more to leave at once.');
    stop.abort(new DOMException('Told to stop', 'AbortError'));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const code = await withContext(options, { role: 'record', source: true }, (context) =>
      recordOne(context, name, options, stop.signal),
    );
    return signalled ?? code;
  } catch (error) {
    if (signalled !== undefined) return signalled;
    throw error;
  }
}
