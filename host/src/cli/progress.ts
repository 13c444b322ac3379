import type { Bus } from '@on-the-way/core';

/** Follows a run: a moving line at a terminal, a line each quarter elsewhere. */
export function showProgress(bus: Bus, stream: NodeJS.WriteStream): void {
  let done = 0;
  let total = 0;
  const width = 24;
  bus.on('run:started', ({ slices }) => {
    done = 0;
    total = slices;
  });
  bus.on('slice:finished', ({ connection, slice }) => {
    // A span that is read in halves ends more slices than were planned.
    const before = done;
    done = Math.min(done + 1, total);
    if (stream.isTTY !== true) {
      const quarter = (count: number): number => Math.floor((count * 4) / Math.max(1, total));
      if (quarter(done) > quarter(before)) stream.write(`${connection} ${done}/${total} slices\n`);
      return;
    }
    const filled = total === 0 ? width : Math.round((done / total) * width);
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
    stream.write(`\r\u001b[K${connection} ${bar} ${done}/${total} ${slice.dataset} ${slice.window.from}`);
  });
  bus.on('run:finished', () => {
    if (stream.isTTY === true) stream.write('\r\u001b[K');
  });
}
