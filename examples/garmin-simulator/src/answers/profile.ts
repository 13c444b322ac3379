import { ok } from './answer.ts';
import type { Answer, Answerer } from './answer.ts';
import { fitnessOn } from '../person/day-plan.ts';

export const socialProfile: Answerer = ({ view: { person } }) =>
  ok({
    id: person.profileId + 1_000_000,
    profileId: person.profileId,
    garminGUID: person.displayName,
    displayName: person.displayName,
    fullName: person.fullName,
    userName: person.email,
    profileImageType: null,
    profileImageUrlLarge: null,
    profileImageUrlMedium: null,
    profileImageUrlSmall: null,
    location: null,
    motivation: null,
    bio: null,
    primaryActivity: 'running',
    favoriteActivityTypes: ['running', 'cycling'],
    profileVisibility: 'private',
    userRoles: ['SCOPE_CONNECT_READ', 'ROLE_CONNECTUSER', 'ROLE_FITNESS_USER'],
    nameApproved: true,
    userProfileFullName: person.fullName,
  });

/** Somebody the database of this region has never heard of. */
export const emptyProfile: Answer = ok(
  Object.fromEntries(
    `id profileId garminGUID displayName fullName userName profileImageType location primaryActivity
    profileVisibility userProfileFullName`
      .split(/\s+/)
      .map((name) => [name, null]),
  ),
);

export const settings: Answerer = ({ view: { person } }) =>
  ok({
    displayName: person.displayName,
    preferredLocale: 'en',
    measurementSystem: 'metric',
    timeZone: person.zone.name,
    firstDayOfWeek: { dayId: 3, dayName: 'monday', sortOrder: 3, isPossibleFirstDay: true },
    numberFormat: 'decimal_period',
    timeFormat: { formatId: 32, formatKey: 'time_twenty_four_hr' },
    dateFormat: { formatId: 1, formatKey: 'mmddyyyy' },
    hydrationMeasurementUnit: 'milliliter',
  });

export const userSettings: Answerer = ({ view: { person, today } }) =>
  ok({
    id: person.profileId,
    userData: {
      gender: 'MALE',
      weight: person.weightGrams,
      height: person.heightCm,
      birthDate: '1988-01-01',
      measurementSystem: 'metric',
      vo2MaxRunning: Math.round(fitnessOn(person, today)),
      vo2MaxCycling: null,
      lactateThresholdHeartRate: Math.round(person.maxHeartRate * 0.895),
    },
    userSleep: { sleepTime: 82_800, defaultSleepTime: false, wakeTime: 23_400, defaultWakeTime: false },
    sourceType: null,
  });
