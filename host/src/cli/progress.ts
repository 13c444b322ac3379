import type { Bus } from '@on-the-way/core';

/** A run as it is shown while it goes on. */
export interface Progress {
  started(slices: number): void;
  /** A slice ended. */
  advanced(slice: { readonly connection: string; readonly dataset: string; readonly from: string }): void;
  /** So many are done by now. */
  reached(at: { readonly connection: string; readonly done: number; readonly total: number }): void;
  ended(): void;
}

/** A moving line at a terminal, a line each quarter elsewhere; `unit` is what is counted. */
export function createProgress(stream: NodeJS.WriteStream, unit: 'slices' | 'days' = 'slices'): Progress {
  let done = 0;
  let total = 0;
  const width = 24;
  const show = (connection: string, to: number, words: string): void => {
    const before = done;
    // A span that is read in halves ends more slices than were planned.
    done = Math.min(to, total);
    if (stream.isTTY !== true) {
      const quarter = (count: number): number => Math.floor((count * 4) / Math.max(1, total));
      if (quarter(done) > quarter(before)) stream.write(`${connection} ${done}/${total} ${unit}\n`);
      return;
    }
    const filled = total === 0 ? width : Math.round((done / total) * width);
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
    stream.write(`\r\u001b[K${connection} ${bar} ${done}/${total} ${words}`);
  };
  return {
    started(slices) {
      done = 0;
      total = slices;
    },
    advanced: ({ connection, dataset, from }) => show(connection, done + 1, `${dataset} ${from}`),
    reached(at) {
      total = at.total;
      show(at.connection, at.done, unit);
    },
    ended() {
      if (stream.isTTY === true) stream.write('\r\u001b[K');
    },
  };
}

/** Follows the runs of this process. */
export function showProgress(bus: Bus, stream: NodeJS.WriteStream): void {
  const progress = createProgress(stream);
  bus.on('run:started', ({ slices }) => progress.started(slices));
  bus.on('slice:finished', ({ connection, slice: { dataset, window } }) =>
    progress.advanced({ connection, dataset, from: window.from }),
  );
  bus.on('run:finished', () => progress.ended());
}
