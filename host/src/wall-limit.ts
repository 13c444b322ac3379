import { defaultRunLimits } from './isolate/limits.ts';
import type { ConnectionConfig } from './config/host-config.ts';

/** A run has taken as long as it may; a code of its error. */
class WallLimit extends Error {
  override readonly name = 'WallLimit';
  readonly code = 'wall_limit';
}

/** What tells a run to begin nothing more. */
export interface WallLimitedDrain {
  readonly drain: AbortSignal;
  /** The run is over. */
  clear(): void;
}

/** The drain of a run: that of its host, and the limit of its connection, whichever comes first. */
export function drainWithin({ limits }: ConnectionConfig, drain?: AbortSignal): WallLimitedDrain {
  const { wallSeconds } = { ...defaultRunLimits, ...limits };
  const wall = new AbortController();
  const message = `Expected the run to take at most ${wallSeconds} s: it began nothing more, and the next run goes on from there`;
  const timer = setTimeout(() => wall.abort(new WallLimit(message)), wallSeconds * 1000);
  timer.unref();
  return {
    drain: drain ? AbortSignal.any([drain, wall.signal]) : wall.signal,
    clear: () => clearTimeout(timer),
  };
}
