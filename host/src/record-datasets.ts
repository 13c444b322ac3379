import { randomUUID } from 'node:crypto';
import { failureOf, type OpenConnector, type Policies } from '@on-the-way/core';
import { daysOf, spansOf, type DatasetInfo, type Day, type Window } from '@on-the-way/sdk';

/** A slice that could not be recorded, and why. */
interface RecordingFailure {
  readonly dataset: string;
  readonly window: Window;
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
  readonly refusedSignIn?: true;
}

/** What a recording asks for. */
export interface RecordingRequest {
  readonly window: Window;
  readonly today: Day;
  /** All where it is missing. */
  readonly onlyDatasets?: readonly string[];
  readonly policies: Policies;
  readonly signal: AbortSignal;
  /** Told before each dataset. */
  readonly onDataset?: (dataset: string) => void;
}

/** What became of it. */
export interface RecordingOutcome {
  readonly failures: readonly RecordingFailure[];
  /** Datasets the account does not have. */
  readonly notSupported: readonly string[];
  /** The failure after which nothing more was asked. */
  readonly stoppedBy?: RecordingFailure;
}

// After one of these every other question would end the same way.
const stopping = ['auth', 'needs_user', 'rate_limited', 'budget_spent', 'process_died'];

function windowsOf({ granularity, spanDays }: DatasetInfo, { window, today }: RecordingRequest): Window[] {
  // The state of now has no past, and a cursor begins at the start: each is asked for once.
  const [first] = spansOf([today], 1);
  const isOnce = granularity === 'snapshot' || granularity === 'cursor';
  return isOnce && first ? [first] : spansOf(daysOf(window), spanDays);
}

/** Asks and drops what comes: the answers went to the recording before they were events. */
async function ask(
  connector: OpenConnector,
  { policies, signal }: RecordingRequest,
  slice: { readonly dataset: string; readonly window: Window },
): Promise<void> {
  await policies.execute(slice.dataset, signal, async (sliceSignal) => {
    const request = { ...slice, requestId: randomUUID() };
    // Of a cursor dataset the first page says enough; all of it may be years.
    for await (const { checkpoint } of connector.fetch(request, sliceSignal))
      if (checkpoint !== undefined) break;
  });
}

/** Asks for every slice of every dataset in the window, one after the other. Rejects when it is aborted. */
export async function recordDatasets(
  connector: OpenConnector,
  request: RecordingRequest,
): Promise<RecordingOutcome> {
  const { signal, onlyDatasets, onDataset } = request;
  const failures: RecordingFailure[] = [];
  const notSupported = new Set<string>();
  for (const info of connector.datasets) {
    const { name: dataset } = info;
    if (onlyDatasets && !onlyDatasets.includes(dataset)) continue;
    if (info.notSupported !== undefined) {
      notSupported.add(dataset);
      continue;
    }
    onDataset?.(dataset);
    for (const window of windowsOf(info, request)) {
      try {
        await ask(connector, request, { dataset, window });
      } catch (error) {
        signal.throwIfAborted();
        const { code, message, retryAfterMs, refusedSignIn } = failureOf(error);
        if (code === 'not_supported') {
          notSupported.add(dataset);
          continue;
        }
        const failure = {
          dataset,
          window,
          code,
          message,
          ...(retryAfterMs !== undefined && { retryAfterMs }),
          ...(refusedSignIn && { refusedSignIn }),
        };
        failures.push(failure);
        if (stopping.includes(code)) return { failures, notSupported: [...notSupported], stoppedBy: failure };
      }
    }
  }
  return { failures, notSupported: [...notSupported] };
}
