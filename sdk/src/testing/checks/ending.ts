import { expectThat } from '../check.ts';
import { sampleEvents } from '../events.ts';
import { withSinkProcess, type PluginProcess } from '../plugin-process.ts';
import type { SinkSubject } from '../subject.ts';
import { expectCounts, rowsOf, withTarget, withWriter } from '../target.ts';

/** Time for a process to end by itself when there is nothing left to do, in milliseconds. */
const endLimitMs = 2000;

/** The process has nothing left to do `after` that. */
export async function expectNothingLeft(plugin: PluginProcess, after: string): Promise<void> {
  expectThat(
    await plugin.endsWithin(endLimitMs),
    () =>
      `Expected nothing to hold the process after ${after}, and it did not end within ${endLimitMs} ms: a timer, socket or handle is left`,
  );
}

/** A sink that was closed lets its process end. */
export async function checkClosed(subject: SinkSubject): Promise<void> {
  await withTarget(subject, ({ config }) =>
    withSinkProcess(subject, config, async (plugin) => {
      await plugin.call({ verb: 'write', batch: sampleEvents(subject, 3) });
      await plugin.call({ verb: 'closeSink' });
      await expectNothingLeft(plugin, 'close');
    }),
  );
}

/** A write that is aborted before it begins is none. */
export async function checkAbortedWrite(subject: SinkSubject): Promise<void> {
  await withTarget(subject, (target) =>
    withWriter(subject, target, async (writer) => {
      const batch = sampleEvents(subject, 20);
      const write = async (signal: AbortSignal) => writer.write(batch, { signal });
      const isRefused = await write(
        AbortSignal.abort(new DOMException('The check aborts it', 'AbortError')),
      ).then(
        () => false,
        () => true,
      );
      const rows = (await rowsOf(target, batch)).length;
      expectThat(
        isRefused && rows === 0,
        () =>
          `Expected a write whose signal was aborted before it began to reject and to store nothing, got ${isRefused ? 'a rejection' : 'an answer'} and ${rows} events: look at the signal first`,
      );
      const { signal } = new AbortController();
      expectCounts(await write(signal), { written: batch.length }, 'the batch whose first write was aborted');
    }),
  );
}
