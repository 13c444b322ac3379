// How long the turns of the event loop may be taken up by requests before the rest waits for the next one.
const budgetMs = 10;
// Enough to fill the budget with the smallest requests.
const stepsPerTurn = 64;

const waiting: (() => void)[] = [];
let turnBeganAt: number | undefined;

function isSpent(): boolean {
  return turnBeganAt !== undefined && performance.now() - turnBeganAt > budgetMs;
}

function step(): void {
  if (!isSpent()) waiting.shift()?.();
}

/** Each step is followed by what it caused, so that the next one sees how much time is left. */
function beginTurn(): void {
  turnBeganAt = waiting.length > 0 ? performance.now() : undefined;
  if (turnBeganAt === undefined) return;
  for (let count = Math.min(waiting.length, stepsPerTurn); count > 0; count -= 1) setImmediate(step);
  setImmediate(beginTurn);
}

/**
 * Called before work on a request that takes long. Undefined: go on at once. Otherwise a promise that resolves, in
 * the order of the calls, in a later turn of the event loop, since this one was busy long enough: in between,
 * whatever is quick is answered.
 */
export function turn(): Promise<void> | undefined {
  if (turnBeganAt === undefined) {
    turnBeganAt = performance.now();
    setImmediate(beginTurn);
  }
  if (waiting.length === 0 && !isSpent()) return undefined;
  return new Promise((resolve) => waiting.push(resolve));
}
