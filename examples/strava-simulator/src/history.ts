import { createHash } from 'node:crypto';

/** What lies in an athlete's list; the rest of it is invented when it is asked for. */
interface Entry {
  readonly id: number;
  /** Seconds since 1970. */
  readonly start: number;
}

/** What an athlete has done. */
export interface HistoryOptions {
  /** Same seed, same activities. Default `demo`. */
  readonly seed: string;
  /** First activity, seconds since 1970. Default 2022-01-01. */
  readonly from: number;
  /** No activity begins later; seconds since 1970. Default one day ago. */
  readonly until: number;
  /** Default 150. */
  readonly count: number;
  /** About how long each activity is as JSON. Default 0, as long as it comes: some 1,200 bytes. */
  readonly bytes: number;
}

/** The changes a test makes to a history. */
export interface Changes {
  /** An activity that appears now, whenever it began; resolves with its id. */
  upload(start: number): number;
  /** Takes one away, as its owner does. */
  remove(id: number): void;
}

/** An athlete's activities, oldest first. */
export interface History extends Changes {
  readonly entries: readonly Entry[];
  /** The activity as Strava's list has it. */
  activityOf(entry: Entry): Readonly<Record<string, unknown>>;
}

/** 32 bits that depend on nothing but the labels. */
function numberFrom(...labels: readonly (string | number)[]): number {
  return createHash('sha256').update(labels.join('|')).digest().readUInt32BE(0);
}

function comesBefore(a: Entry, b: Entry): boolean {
  return a.start < b.start || (a.start === b.start && a.id < b.id);
}

function beginning({ seed, from, until, count }: HistoryOptions, athlete: number): Entry[] {
  const step = Math.max(1, Math.floor((until - from) / Math.max(1, count)));
  return Array.from({ length: count }, (_, index) => ({
    id: athlete * 1_000_000_000 + index,
    start: from + index * step + (numberFrom(seed, athlete, index) % Math.max(1, Math.floor(step / 2))),
  }));
}

const isoOf = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;

/** An activity with the members that Strava's list was seen to have; every value is invented. */
function invented(seed: string, athlete: number, { id, start }: Entry): Record<string, unknown> {
  const pick = (what: string, from: number, to: number): number =>
    from + (numberFrom(seed, id, what) % (to - from + 1));
  const movingTime = pick('time', 900, 9000);
  const speed = pick('speed', 2200, 9500) / 1000;
  const sport = ['Run', 'Ride', 'Swim', 'Hike'][pick('sport', 0, 3)];
  return {
    resource_state: 2,
    athlete: { id: athlete, resource_state: 1 },
    name: `Simulated ${sport}`,
    distance: Math.round(movingTime * speed * 10) / 10,
    moving_time: movingTime,
    elapsed_time: movingTime + pick('rest', 0, 600),
    total_elevation_gain: pick('climb', 0, 9000) / 10,
    type: sport,
    sport_type: sport,
    id,
    start_date: isoOf(start),
    start_date_local: isoOf(start + 8 * 3600),
    timezone: '(GMT+08:00) Asia/Shanghai',
    utc_offset: 28_800,
    achievement_count: 0,
    kudos_count: pick('kudos', 0, 20),
    comment_count: 0,
    map: { id: `a${id}`, summary_polyline: '', resource_state: 2 },
    trainer: false,
    manual: false,
    private: false,
    visibility: 'everyone',
    average_speed: speed,
    has_heartrate: true,
    average_heartrate: pick('heart', 1100, 1700) / 10,
    upload_id: id + 7,
    // Beyond what a double can hold.
    upload_id_str: `9007199254${id}`,
    external_id: `simulated-${id}.fit`,
  };
}

/** Makes the history of one athlete. */
export function createHistory(options: HistoryOptions, athlete: number): History {
  const entries = beginning(options, athlete);
  let nextId = athlete * 1_000_000_000 + 500_000_000;
  return {
    entries,
    upload(start) {
      const entry = { id: (nextId += 1), start };
      const place = entries.findIndex((other) => comesBefore(entry, other));
      entries.splice(place === -1 ? entries.length : place, 0, entry);
      return entry.id;
    },
    remove(id) {
      const place = entries.findIndex((entry) => entry.id === id);
      if (place !== -1) entries.splice(place, 1);
    },
    activityOf(entry) {
      const activity = invented(options.seed, athlete, entry);
      if (options.bytes === 0) return activity;
      const missing = Math.max(0, options.bytes - JSON.stringify(activity).length);
      return {
        ...activity,
        map: { id: `a${entry.id}`, summary_polyline: 'x'.repeat(missing), resource_state: 2 },
      };
    },
  };
}
