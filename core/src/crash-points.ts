/**
 * Moments at which a host may die and nothing may be lost or stored twice. Each is reached in the course of ordinary
 * work; the chaos suite ends the process at every one of them and fails if one was never reached.
 */
export const crashPoints = [
  'job-fetched',
  'run-begun',
  'logged-in',
  'planned',
  'batch-fetched',
  'before-write',
  'after-write',
  'before-ledger',
  'after-ledger',
  'before-cursor',
  'after-cursor',
  'mid-backoff',
  'mid-token-save',
  'before-finish',
  'after-finish',
  'job-done',
  'before-enqueue',
  'after-enqueue',
  'mid-migration',
] as const;

/** One of {@link crashPoints}. */
export type CrashPoint = (typeof crashPoints)[number];

/** Told of each crash point as it is reached. Nothing listens in a host at work. */
export type Reach = (point: CrashPoint) => void;
