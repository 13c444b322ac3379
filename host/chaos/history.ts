import { appendFileSync } from 'node:fs';

/** What happened: asked for, done, refused, or nobody knows whether it was done. */
export type OperationType = 'invoke' | 'ok' | 'fail' | 'info';

/** One line of the history. */
export interface Operation {
  /** Milliseconds since the history began, by a clock that never jumps. */
  readonly t: number;
  /** Whose doing: a host (`host-3`), `source`, or `suite`. */
  readonly proc: string;
  /** `read`, `run`, `slice`, `start`, `kill`, `freeze`, `thaw`, `fault`, `calm`, `point`, `usage` and the like. */
  readonly op: string;
  /** What it was about, e.g. `c-1/steps/2026-02-26`. */
  readonly id: string;
  readonly type: OperationType;
  /** More, by kind of operation. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** All that happened, in order. */
export interface History {
  readonly operations: readonly Operation[];
  /** Milliseconds since it began. */
  now(): number;
  /** `at`: when it happened, milliseconds since 1970, where that was not just now. */
  add(operation: Omit<Operation, 't'>, at?: number): Operation;
  count(match: Partial<Pick<Operation, 'proc' | 'op' | 'type'>>): number;
}

/** Begins a history; each operation is a line of JSON in the file, where one is given. */
export function createHistory(file?: string): History {
  const operations: Operation[] = [];
  const began = performance.now();
  const beganAt = Date.now();
  const now = (): number => Math.round(performance.now() - began);
  return {
    operations,
    now,
    add(operation, at) {
      const line: Operation = { t: at === undefined ? now() : at - beganAt, ...operation };
      operations.push(line);
      if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
      return line;
    },
    count: ({ proc, op, type }) =>
      operations.filter(
        (one) =>
          (proc === undefined || one.proc === proc) &&
          (op === undefined || one.op === op) &&
          (type === undefined || one.type === type),
      ).length,
  };
}
