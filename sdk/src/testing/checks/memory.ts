import { setTimeout as delay } from 'node:timers/promises';
import type { DatasetInfo } from '../../connector.ts';
import { splitWindow } from '../../windows.ts';
import { connectorCheck, expectThat, Skip, type Check } from '../check.ts';
import { connectorOpened } from '../open-connector.ts';
import { withConnectorProcess, type PluginProcess } from '../plugin-process.ts';
import type { ConnectorSubject, LargeSource } from '../subject.ts';
import { withSource } from '../with-source.ts';

/** Megabytes a large dataset has: a gigabyte, or what OTW_SUITE_LARGE_MB says (512 at least) where time is short. */
function largeMb(): number {
  return Math.max(512, Number(process.env['OTW_SUITE_LARGE_MB'] ?? 1024) || 1024);
}

/** Share of it that a process may grow over what it had when it was logged in; more is broken without waiting for the end. */
const mostGrowth = 0.6;
const lookEveryMs = 50;

/** Puts the large source behind a server for one check. */
function withLarge(
  { openLarge }: ConnectorSubject,
  megabytes: number,
  use: (context: { readonly source: LargeSource; readonly requests: () => number }) => Promise<void>,
): Promise<void> {
  if (!openLarge) throw new Skip('the subject has no openLarge: no dataset that can be made large');
  return withSource({ open: (server) => openLarge(server, megabytes) }, async ({ server, source }) =>
    use({ source: source as LargeSource, requests: () => server.requests.length }),
  );
}

function questionOf({ dataset, window }: LargeSource): {
  dataset: string;
  window?: NonNullable<LargeSource['window']>;
} {
  return { dataset, ...(window && { window }) };
}

/** The windows a host would ask for, one after the other. */
function questionsOf(source: LargeSource, datasets: readonly DatasetInfo[]): ReturnType<typeof questionOf>[] {
  const { dataset, window } = source;
  const spanDays = datasets.find(({ name }) => name === dataset)?.spanDays ?? 1;
  return window ? splitWindow(window, spanDays).map((part) => ({ dataset, window: part })) : [{ dataset }];
}

/** Reads all of it in the plugin's process; resolves with how many characters came. */
async function drain(
  plugin: PluginProcess,
  questions: readonly ReturnType<typeof questionOf>[],
): Promise<number> {
  let characters = 0;
  for (const question of questions) characters += await plugin.call<number>({ verb: 'drain', ...question });
  return characters;
}

/** Looks at the resident set until the reading has ended. */
async function watchMemory(
  plugin: PluginProcess,
  { reading, megabytes }: { readonly reading: Promise<number>; readonly megabytes: number },
): Promise<{ readonly sizes: number[]; readonly characters: number }> {
  const sizes: number[] = [];
  const begun = plugin.residentMb() ?? 0;
  let characters: number | undefined;
  const ended = reading.then((count) => void (characters = count));
  while (characters === undefined) {
    await Promise.race([ended, delay(lookEveryMs)]);
    const size = plugin.residentMb();
    if (size !== undefined) sizes.push(size);
    expectThat(
      (size ?? 0) - begun < megabytes * mostGrowth,
      () =>
        `Expected memory to stay flat, and it grew from ${Math.round(begun)} to ${Math.round(size ?? 0)} MB`,
    );
  }
  return { sizes, characters };
}

async function checkFlat(subject: ConnectorSubject): Promise<void> {
  const megabytes = largeMb();
  await withLarge(subject, megabytes, ({ source }) =>
    withConnectorProcess(subject, source, async (plugin, opened) => {
      if (plugin.residentMb() === undefined)
        throw new Skip('this system does not tell how much memory a process has', true);
      const reading = drain(plugin, questionsOf(source, opened.datasets));
      const { sizes, characters } = await watchMemory(plugin, { reading, megabytes });
      expectThat(
        characters > megabytes * 900_000,
        () => `Expected ${megabytes} MB to be read, got ${Math.round(characters / 1e6)}`,
      );
      const half = Math.ceil(sizes.length / 2);
      const [first, second] = [Math.max(...sizes.slice(0, half)), Math.max(...sizes.slice(half))];
      expectThat(
        second <= first * 1.3 + 32,
        () =>
          `Expected memory to stay flat, and it grew from ${Math.round(first)} MB in the first half to ${Math.round(second)} MB in the second`,
      );
    }),
  );
}

/** Time in which a source that is not paused would have been asked for more, in milliseconds. */
const pauseMs = 300;
/** Pages a connector may hold ready while nobody takes its records. */
const mostAhead = 3;

async function checkPaused(subject: ConnectorSubject): Promise<void> {
  await withLarge(subject, 64, async ({ source, requests }) => {
    const opened = await connectorOpened(subject, { source });
    const before = requests();
    const answers = opened.ask(questionOf(source))[Symbol.asyncIterator]();
    await answers.next();
    const taken = requests() - before;
    await delay(pauseMs);
    const ahead = requests() - before - taken;
    await answers.return?.();
    await opened.close();
    expectThat(
      ahead <= mostAhead,
      () =>
        `Expected the source to be asked for no more than ${mostAhead} pages ahead while nobody takes records, got ${ahead}`,
    );
  });
}

/** 37 and 38: how much is held. */
export const memoryChecks: readonly Check[] = [
  connectorCheck(
    {
      id: 37,
      topic: 'Memory',
      title: 'memory stays flat while a gigabyte is read',
      why: 'A first backfill is large, and the host ends a process that grows.',
    },
    checkFlat,
  ),
  connectorCheck(
    {
      id: 38,
      topic: 'Memory',
      title: 'a sink that is slow pauses the source',
      why: 'What is fetched faster than it is stored piles up.',
    },
    checkPaused,
  ),
];
