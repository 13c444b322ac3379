/** What one slice may still do in a run that can be told to begin nothing more. */
export interface SliceDrain {
  /** Gives the slice up: with the run, or once the run drains while nothing of the slice is under way. */
  readonly signal: AbortSignal;
  /** Runs one try of the slice; refuses it once the run drains. `signal` is that of the try. */
  tryOnce<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** A slice was given up since its run begins nothing more. It says nothing of the source. */
export class Drained extends DOMException {
  constructor() {
    super('The run begins nothing more', 'AbortError');
  }
}

/**
 * Runs a slice so that a drain lets a try that is under way end, and gives the slice up while it waits: for its
 * turn, or for the next try. Without `drain` it is `use` with the run's signal.
 */
export async function drainable<T>(
  run: { readonly signal: AbortSignal; readonly drain?: AbortSignal | undefined },
  use: (slice: SliceDrain) => Promise<T>,
): Promise<T> {
  const { signal, drain } = run;
  if (!drain) return use({ signal, tryOnce: (_signal, work) => work() });
  const waits = new AbortController();
  let current: AbortSignal | undefined;
  const look = (): void => {
    if (drain.aborted && current === undefined) waits.abort(new Drained());
  };
  const tryOnce: SliceDrain['tryOnce'] = async (ofTry, work) => {
    if (drain.aborted) throw new Drained();
    current = ofTry;
    const rests = (): void => {
      if (current === ofTry) current = undefined;
      // What the try ended with is heard before the slice is given up for want of another.
      if (drain.aborted) setImmediate(look);
    };
    // A try that has timed out may never end by itself.
    ofTry.addEventListener('abort', rests, { once: true });
    return work().finally(rests);
  };
  drain.addEventListener('abort', look, { once: true });
  look();
  try {
    return await use({ signal: AbortSignal.any([signal, waits.signal]), tryOnce });
  } finally {
    drain.removeEventListener('abort', look);
  }
}
