const linesPerSecond = 3;

/**
 * Keeps what is said of every request from filling the log. Called before a line is written: undefined when it is to be
 * left out, since a few were written in this second; else how many were left out before it.
 */
export function limitLines(now: () => number = () => performance.now()): () => number | undefined {
  let secondBeganAt = -Infinity;
  let written = 0;
  let leftOut = 0;
  return () => {
    if (now() - secondBeganAt >= 1000) {
      secondBeganAt = now();
      written = 0;
    }
    if (written === linesPerSecond) {
      leftOut += 1;
      return undefined;
    }
    written += 1;
    const before = leftOut;
    leftOut = 0;
    return before;
  };
}
