// How long a turn of the event loop may be taken up by requests before the rest waits for the next one.
const budgetMs = 10;
// Enough to fill the budget with the smallest requests.
const stepsPerTurn = 64;
// So many turns in a row may go by without a step; after that there is one whatever time it is.
const mostEmptyTurns = 8;

const waiting: (() => void)[] = [];
let turnBeganAt: number | undefined;
let isCutShort = false;
let emptyTurns = 0;

function isSpent(): boolean {
  return isCutShort || (turnBeganAt !== undefined && performance.now() - turnBeganAt > budgetMs);
}

/** Each step is followed by what it caused, so that the next one sees how much time is left. */
function step(): void {
  if (isSpent() && emptyTurns < mostEmptyTurns) return;
  emptyTurns = 0;
  waiting.shift()?.();
}

function beginTurn(): void {
  isCutShort = false;
  emptyTurns = waiting.length > 0 ? emptyTurns + 1 : 0;
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

/**
 * Called for each new connection: there may be more behind it, and one turn of the event loop takes only one. With
 * requests waiting, whoever comes last would wait as many whole turns as there are connections before it.
 */
export function cutTurnShort(): void {
  if (waiting.length > 0) isCutShort = true;
}
