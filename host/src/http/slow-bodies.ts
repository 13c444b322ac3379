/** What is expected of the senders of bodies. */
export interface BodyLimits {
  /** Bodies on their way at once, past which the one that began first is given up. */
  readonly most: number;
  /** So long each may take, however many there are. */
  readonly graceMs: number;
  /** So long a body may take in any case; past that it must have brought `bytesPerSecond` since. */
  readonly deadlineMs: number;
  readonly bytesPerSecond: number;
}

export const presetBodyLimits: BodyLimits = {
  most: 256,
  graceMs: 1_000,
  deadlineMs: 10_000,
  bytesPerSecond: 32 * 1024,
};

/** A body that is being read. */
export interface ComingBody {
  /** More of it is there. */
  came(bytes: number): void;
  /** Nobody reads on for now: until `resumed` its sender is not waited for. */
  paused(): void;
  resumed(): void;
  /** It is whole, or nobody reads it any more. */
  ended(): void;
}

/** The bodies that are being read. */
export interface ComingBodies {
  /** `giveUp` is called at most once, when the body is too slow. */
  begin(giveUp: () => void): ComingBody;
}

interface Coming {
  /** Later by as long as it was paused. */
  since: number;
  readonly giveUp: () => void;
  bytes: number;
  pausedAt: number | undefined;
}

const sweepMs = 250;

/**
 * Makes the register. Bodies are not counted as work, which would let senders that send nothing shut others out: they
 * are given up instead, the oldest first when there are too many.
 */
export function createComingBodies(limits: BodyLimits): ComingBodies {
  // In the order in which they began.
  const all = new Set<Coming>();
  let sweeping: NodeJS.Timeout | undefined;

  function isSlow({ since, bytes }: Coming, now: number): boolean {
    const lateMs = now - since - limits.deadlineMs;
    return lateMs > 0 && bytes < (lateMs / 1000) * limits.bytesPerSecond;
  }

  function sweep(): void {
    const now = performance.now();
    const waitedFor = [...all].filter(({ pausedAt }) => pausedAt === undefined);
    let tooMany = waitedFor.length - limits.most;
    for (const coming of waitedFor) {
      const isSurplus = tooMany > 0 && now - coming.since > limits.graceMs;
      if (!isSurplus && !isSlow(coming, now)) continue;
      tooMany -= 1;
      all.delete(coming);
      coming.giveUp();
    }
    if (all.size > 0) return;
    clearInterval(sweeping);
    sweeping = undefined;
  }

  return {
    begin(giveUp) {
      const coming: Coming = { since: performance.now(), giveUp, bytes: 0, pausedAt: undefined };
      all.add(coming);
      sweeping ??= setInterval(sweep, sweepMs).unref();
      return {
        came: (bytes) => (coming.bytes += bytes),
        paused: () => void (coming.pausedAt = performance.now()),
        resumed() {
          coming.since += performance.now() - (coming.pausedAt ?? performance.now());
          coming.pausedAt = undefined;
        },
        ended: () => void all.delete(coming),
      };
    },
  };
}
