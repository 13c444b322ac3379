import { MINUTE_MS } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { Random } from '../prng.ts';
import { dayPlan } from './day-plan.ts';
import { dayRandom, oncePerDay, wander } from './person.ts';
import type { Person } from './person.ts';

/** Garmin's numbers for the stages of sleep. */
export const STAGE = { deep: 0, light: 1, rem: 2, awake: 3 } as const;
type Stage = (typeof STAGE)[keyof typeof STAGE];

export interface SleepSpell {
  readonly startMs: number;
  readonly endMs: number;
  readonly stage: Stage;
}

/** The night that ends on a day. */
export interface Night {
  readonly startMs: number;
  readonly endMs: number;
  readonly spells: readonly SleepSpell[];
  readonly seconds: Readonly<Record<keyof typeof STAGE, number>>;
  readonly awakeCount: number;
  readonly restlessMoments: readonly number[];
  readonly score: number;
  readonly stress: number;
  readonly hrvAverage: number;
  readonly restingHeartRate: number;
  readonly bodyBatteryAtWake: number;
  readonly respiration: number;
  readonly spo2: number;
}

/** One cycle of sleep: deep sleep shrinks and REM grows as the night goes on. */
function cycleMinutes(random: Random, cycle: number): [Stage, number][] {
  const minutes: [Stage, number][] = [
    [STAGE.light, random.int(12, 28)],
    [STAGE.deep, Math.max(0, random.int(24, 36) - cycle * 8)],
    [STAGE.light, random.int(14, 30)],
    [STAGE.rem, random.int(8, 14) + cycle * 6],
  ];
  if (random.chance(0.35)) minutes.push([STAGE.awake, random.int(1, 7)]);
  return minutes.filter(([, length]) => length > 0);
}

function spellsOf(random: Random, startMs: number, endMs: number): SleepSpell[] {
  const spells: SleepSpell[] = [];
  let at = startMs;
  for (let cycle = 0; at < endMs; cycle += 1) {
    for (const [stage, minutes] of cycleMinutes(random, cycle)) {
      if (at >= endMs) break;
      const until = Math.min(endMs, at + minutes * MINUTE_MS);
      spells.push({ startMs: at, endMs: until, stage });
      at = until;
    }
  }
  return spells;
}

function secondsOf(spells: readonly SleepSpell[]): Record<keyof typeof STAGE, number> {
  const total = (stage: Stage): number =>
    spells
      .filter((spell) => spell.stage === stage)
      .reduce((sum, spell) => sum + (spell.endMs - spell.startMs) / 1000, 0);
  return {
    deep: total(STAGE.deep),
    light: total(STAGE.light),
    rem: total(STAGE.rem),
    awake: total(STAGE.awake),
  };
}

export function restingHeartRateOn(person: Person, date: CalendarDate): number {
  const noise = dayRandom(person, date, 'resting').spread();
  return Math.round(person.restingHeartRate + wander(person, date, 'resting', 21) * 3 + noise * 1.2);
}

const KEPT_DAYS = 500;

export const nightOf = oncePerDay(KEPT_DAYS, (person: Person, date: CalendarDate): Night => {
  const random = dayRandom(person, date, 'night');
  const { bedMs, wakeMs } = dayPlan(person, date);
  const spells = spellsOf(random, bedMs, wakeMs);
  const seconds = secondsOf(spells);
  const asleepHours = (seconds.deep + seconds.light + seconds.rem) / 3600;
  const score = Math.round(
    Math.min(98, Math.max(42, 34 + asleepHours * 6 + (seconds.deep + seconds.rem) / 900 - random.int(0, 14))),
  );
  return {
    startMs: bedMs,
    endMs: wakeMs,
    spells,
    seconds,
    awakeCount: spells.filter((spell) => spell.stage === STAGE.awake).length,
    restlessMoments: Array.from({ length: random.int(14, 38) }, () => random.next())
      .toSorted((left, right) => left - right)
      .map((part) => bedMs + Math.floor(((wakeMs - bedMs) / MINUTE_MS) * part) * MINUTE_MS),
    score,
    stress: random.int(10, 24),
    hrvAverage: Math.round(person.nightHrvMs + wander(person, date, 'hrv', 18) * 6 + random.spread() * 4),
    restingHeartRate: restingHeartRateOn(person, date),
    bodyBatteryAtWake: Math.round(Math.min(100, score + random.int(-6, 10))),
    respiration: random.int(12, 15),
    spo2: random.int(93, 97),
  };
});
