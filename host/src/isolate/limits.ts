/** What a run may cost. */
export interface RunLimits {
  /** Memory of the connector's process, in MB, native code and buffers included. */
  readonly memoryMb: number;
  /** How long nothing may be heard of a connector that was asked for something, in seconds. */
  readonly progressSeconds: number;
  /** How long a run may take, in seconds: after that no new slice begins, and the next run goes on. */
  readonly wallSeconds: number;
}

/** Far more than a connector that reads needs, and short of what takes a machine down. */
export const defaultRunLimits: RunLimits = { memoryMb: 1024, progressSeconds: 600, wallSeconds: 21_600 };

/** Why a connector's process ended before it was told to; a code of the ledger. */
export type ProcessEnd = 'process_died' | 'memory_limit' | 'stalled';

/** The connector's process has ended, or was ended. What was asked of it fails; the run goes on in another one. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
  readonly code: ProcessEnd;

  constructor(code: ProcessEnd, message: string) {
    super(message);
    this.code = code;
  }
}

const lookEveryMs = 250;

/** What a watch looks at. */
export interface Watched {
  /** In MB. */
  residentMb(): number;
  /** Since when the connector owes an answer and nothing was heard of it, by performance.now(); undefined while it owes none. */
  silentSince(): number | undefined;
}

/** Looks every 250 ms whether a limit is passed, and says so once. Returns what ends the watch. */
export function watchLimits(
  { memoryMb, progressSeconds }: Omit<RunLimits, 'wallSeconds'>,
  watched: Watched,
  onPassed: (why: ProcessEnded) => void,
): () => void {
  const look = (): void => {
    const resident = watched.residentMb();
    const silentMs = performance.now() - (watched.silentSince() ?? Infinity);
    if (resident > memoryMb) {
      const found = `${Math.round(resident)} MB`;
      end(
        'memory_limit',
        `Expected the connector's process to stay under ${memoryMb} MB of memory, found ${found}: it was ended. Raise limits.memoryMb if the plugin needs more`,
      );
    } else if (silentMs > progressSeconds * 1000) {
      end(
        'stalled',
        `Expected to hear of the connector within ${progressSeconds} s, but no record, request or answer came: it was ended. Raise limits.progressSeconds if its source is that slow`,
      );
    }
  };
  const timer = setInterval(look, lookEveryMs);
  timer.unref();
  const end = (code: ProcessEnd, message: string): void => {
    clearInterval(timer);
    onPassed(new ProcessEnded(code, message));
  };
  return () => clearInterval(timer);
}
