import { addDays, type Day } from '@on-the-way/sdk';

/** Whether a day is more than `days` before today, by this machine's clock in UTC: a day more or less does not matter. */
export function isOlderThan(day: Day, days: number): boolean {
  return day < addDays(new Date(Date.now()).toISOString().slice(0, 10), -days);
}
