import { addDays, dayAt, daysOf, type Day, type Window } from '../../windows.ts';

// Zones whose days begin or end oddly: both hemispheres, half hours, midnight changes, a day that never was.
const zones = [
  'America/New_York',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Asia/Tehran',
  'Asia/Beirut',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  'America/St_Johns',
  'Africa/Cairo',
  'Asia/Shanghai',
];

/** The offset from UTC at midnight UTC of a day, for one zone. */
function createOffsetReader(timeZone: string): (day: Day) => string {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  return (day) =>
    format
      .format(Date.parse(`${day}T00:00:00Z`))
      .split('GMT')
      .at(-1) ?? '';
}

/** Days of a window on which a clock changes somewhere, and a year's first and last. */
export function oddDays(window: Window, places = zones): Day[] {
  const days = daysOf(window);
  const changes = places.flatMap((zone) => {
    const offsetOf = createOffsetReader(zone);
    return days.filter((day) => offsetOf(day) !== offsetOf(addDays(day, 1)));
  });
  const edges = days.filter((day) => /-(01-01|12-31)$/.test(day));
  return [...new Set([...edges, ...changes])].toSorted();
}

/**
 * Odd days of the year in which the window begins. Those that may still be open somewhere are left out: what is said of today
 * is another thing a moment later.
 */
export function oddDaysOfYear({ from }: Window, places = zones): Day[] {
  const year = Number(from.slice(0, 4));
  const [end, open] = [`${year + 1}-01-01`, addDays(dayAt(Date.now(), 'UTC'), -2)];
  return oddDays({ from: `${year}-01-01`, to: end < open ? end : open }, places);
}
