import { EventEmitter } from 'eventemitter3';
import type { Slice } from './plan-slices.ts';
import type { SliceOutcome } from './ports.ts';
import type { EventCounts, RunSummary } from './run-summary.ts';

/** Everything the engine tells while it works. Handlers must not throw. */
export interface EngineEvents {
  /** A plan was made and the first slice is about to be worked off. Not told of a run that is skipped. */
  'run:started': [{ runId: string; connection: string; slices: number; at: number }];
  /**
   * The run is over, however it ended, and what it changed is remembered: told by the host. One that another host took
   * over is `interrupted` with the code `fenced`. Not told where nobody could be asked to remember it.
   */
  'run:finished': [RunSummary];
  /** A slice ended; its outcomes, one a day, are in the ledger, but for failures of 0 tries, which say nothing of a day. */
  'slice:finished': [
    { runId: string; connection: string; slice: Slice; outcomes: readonly SliceOutcome[]; status?: number },
  ];
  /** A batch of events was stored, or was not; its counts add up. Told of everything that a connector handed over. */
  'events:counted': [{ connection: string; dataset: string; counts: EventCounts }];
  /** A question that only spares requests was not answered; the run goes on without. */
  'question:failed': [
    { connection: string; question: 'lastChange' | 'dayMarks'; code: string; message: string },
  ];
  /** A try failed and another follows after `delayMs`. */
  'slice:retry': [{ connection: string; dataset: string; attempt: number; delayMs: number; message: string }];
  /** A dataset failed so often in a row that it is not asked again for a while. */
  'breaker:opened': [{ connection: string; dataset: string }];
  /** A dataset that was cut off is asked again. */
  'breaker:closed': [{ connection: string; dataset: string }];
}

/** The bus: log, progress, metrics and health listen, the engine speaks. */
export type Bus = EventEmitter<EngineEvents>;

/** A bus with nobody on it. */
export function createBus(): Bus {
  return new EventEmitter<EngineEvents>();
}
