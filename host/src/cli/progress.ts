import type { Bus } from '@on-the-way/core';

/** A line at the terminal that follows a run; nothing where there is no terminal. */
export function showProgress(bus: Bus, stream: NodeJS.WriteStream): { clear(): void } {
  if (stream.isTTY !== true) return { clear: () => undefined };
  let done = 0;
  let total = 0;
  const width = 24;
  const clear = (): void => void stream.write('\r\u001b[K');
  bus.on('run:started', ({ slices }) => {
    done = 0;
    total = slices;
  });
  bus.on('slice:finished', ({ connection, slice }) => {
    done += 1;
    const filled = total === 0 ? width : Math.round((done / total) * width);
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
    stream.write(`\r\u001b[K${connection} ${bar} ${done}/${total} ${slice.dataset} ${slice.window.from}`);
  });
  bus.on('run:finished', clear);
  return { clear };
}
