import { MINUTE_MS, addDays } from '../calendar.ts';
import type { Zone } from '../calendar.ts';

/**
 * When the watch meets the phone: at hours of the person's clock (7.5 is half past seven), every quarter of an hour
 * ('steady'), or as a function of the moment of asking says. With no hours at all it syncs only when told to.
 */
export type Syncs = 'steady' | { readonly hours: readonly number[] } | ((nowMs: number) => number);

export interface SyncSchedule {
  /** The instant of the last sync up to now. */
  lastBefore(nowMs: number): number;
  /** The watch meets the phone right now, whatever the schedule. */
  syncAt(nowMs: number): void;
}

const TWICE_A_DAY: Syncs = { hours: [7.5, 21.5] };
const QUARTER_MS = 15 * MINUTE_MS;

function lastAtHours(hours: readonly number[], zone: Zone, nowMs: number): number {
  const today = zone.dateOf(nowMs);
  const syncs = [addDays(today, -1), today].flatMap((date) =>
    hours.map((hour) => zone.instantOf(date, Math.round(hour * 60))),
  );
  return Math.max(-Infinity, ...syncs.filter((sync) => sync <= nowMs));
}

/** The clock is read at once: a watch without a schedule has synced when the simulator starts. */
export function openSyncs(zone: Zone, now: () => number, syncs: Syncs = TWICE_A_DAY): SyncSchedule {
  const never = typeof syncs === 'object' && syncs.hours.length === 0;
  let told = never ? now() : -Infinity;
  const scheduled = (nowMs: number): number => {
    if (syncs === 'steady') return Math.floor(nowMs / QUARTER_MS) * QUARTER_MS;
    return typeof syncs === 'function' ? syncs(nowMs) : lastAtHours(syncs.hours, zone, nowMs);
  };
  return {
    lastBefore: (nowMs) => Math.max(told, Math.min(nowMs, scheduled(nowMs))),
    syncAt(nowMs) {
      told = nowMs;
    },
  };
}
