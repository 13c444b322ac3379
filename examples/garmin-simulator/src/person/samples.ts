import { MINUTE_MS } from '../calendar.ts';
import type { DayPlan } from './day-plan.ts';

export type Sample = readonly [atMs: number, value: number];

/** One sample every so many minutes, from midnight to midnight. */
export function series(plan: DayPlan, everyMinutes: number, at: (atMs: number) => number): Sample[] {
  const samples: Sample[] = [];
  for (let ms = plan.startMs; ms < plan.endMs; ms += everyMinutes * MINUTE_MS) samples.push([ms, at(ms)]);
  return samples;
}
