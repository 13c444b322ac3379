/** The machine a process believes it is on. */
export interface Machine {
  /** IANA name of its own time zone; without it that of this machine. */
  readonly timeZone?: string;
  /** How far its clock is ahead of this machine's, in milliseconds. */
  readonly clockAheadMs?: number;
}

/** Puts `Date` and `performance` ahead. What `Intl` formats without being given a date is still of this machine's time. */
function putClockAhead(milliseconds: number): void {
  const Real = Date;
  const { now } = Real;
  Real.now = () => now() + milliseconds;
  const Ahead: DateConstructor = new Proxy(Real, {
    apply: () => new Ahead().toString(),
    construct: (target, given: unknown[], made) =>
      Reflect.construct(target, given.length === 0 ? [Real.now()] : given, made) as Date,
  });
  Real.prototype.constructor = Ahead;
  globalThis.Date = Ahead;
  Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + milliseconds });
}

/** Makes this process believe it. Call it once, before plugin code is loaded. */
export function becomeMachine({ timeZone, clockAheadMs = 0 }: Machine): void {
  if (timeZone !== undefined) process.env['TZ'] = timeZone;
  if (clockAheadMs !== 0) putClockAhead(clockAheadMs);
}
