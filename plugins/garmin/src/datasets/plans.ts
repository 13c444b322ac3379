import type { JsonValue } from '@on-the-way/sdk';
import { emptyTests } from '../empty.ts';
import { isFilled, isObject, listOf, textOf, type JsonObject } from '../json-shape.ts';
import type { Profile } from '../session.ts';
import type { DatasetEntry, NamedRequest, Paging } from './entry.ts';

const goalPaging: Paging = {
  firstStart: 1,
  limit: 30,
  maxPages: 100,
  atMaxPages: 'fail',
  key: 'id',
};
const challengePaging: Paging = {
  firstStart: 1,
  limit: 100,
  // The history of ad-hoc challenges goes on through everybody's.
  maxPages: 10,
  atMaxPages: 'stop',
  key: 'uuid',
};

const goalRequests: readonly NamedRequest[] = ['active', 'future', 'past'].map((name) => ({
  name,
  path: '/goal-service/goal/goals',
  params: { status: name, sortOrder: 'asc' },
  // Without it Garmin answers with an empty list.
  headers: { 'Sec-Fetch-Site': 'same-origin' },
  paging: goalPaging,
}));

const challengeRequests: readonly NamedRequest[] = [
  { name: 'adHoc', path: '/adhocchallenge-service/adHocChallenge/historical', paging: challengePaging },
  { name: 'completed', path: '/badgechallenge-service/badgeChallenge/completed', paging: challengePaging },
  { name: 'available', path: '/badgechallenge-service/badgeChallenge/available', paging: challengePaging },
  {
    name: 'nonCompleted',
    path: '/badgechallenge-service/badgeChallenge/non-completed',
    paging: challengePaging,
  },
  { name: 'virtual', path: '/badgechallenge-service/virtualChallenge/inProgress', paging: challengePaging },
];

/** Rows without a member that is about other people. */
function without(rows: JsonValue, key: string): JsonObject[] {
  return listOf(rows)
    .filter(isObject)
    .map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== key)));
}

function isOwn(challenge: JsonObject, { profileId }: Profile): boolean {
  const owner = challenge['ownerUserProfileId'];
  return isFilled(challenge['userRanking']) || (profileId !== undefined && textOf(owner) === profileId);
}

function shapeChallenges(answer: JsonValue, profile: Profile): JsonValue {
  const lists = Object.entries(isObject(answer) ? answer : {}).map(([name, list]) => {
    const rows = without(list ?? [], 'players');
    return [name, name === 'adHoc' ? rows.filter((row) => isOwn(row, profile)) : rows] as const;
  });
  return Object.fromEntries(lists);
}

/** Plans and possessions: the state of now. */
export const plans = {
  workouts: {
    granularity: 'snapshot',
    settleDays: 0,
    request: {
      path: '/workout-service/workouts',
      paging: { firstStart: 0, limit: 100, maxPages: 100, atMaxPages: 'fail', key: 'workoutId' },
    },
    description: 'The library of workouts.',
    method: 'get_workouts',
    isEmpty: emptyTests.workouts,
  },
  training_plans: {
    granularity: 'snapshot',
    settleDays: 0,
    request: { path: '/trainingplan-service/trainingplan/plans', params: { limit: '50' } },
    description: 'The training plans.',
    method: 'get_training_plans',
    isEmpty: emptyTests.training_plans,
  },
  devices: {
    granularity: 'snapshot',
    settleDays: 0,
    request: { path: '/device-service/deviceregistration/devices' },
    description: 'The registered devices and what they can do.',
    method: 'get_devices',
    isEmpty: emptyTests.devices,
  },
  gear: {
    granularity: 'snapshot',
    settleDays: 0,
    request: { path: '/gear-service/gear/filterGear', params: { userProfilePk: '{profileId}' } },
    description: 'Shoes, bikes and other gear.',
    method: 'get_gear',
    isEmpty: emptyTests.gear,
  },
  goals: {
    granularity: 'snapshot',
    settleDays: 0,
    request: goalRequests,
    description: 'Active, future and past goals.',
    method: 'get_goals',
    isEmpty: emptyTests.goals,
  },
  badges: {
    granularity: 'snapshot',
    settleDays: 0,
    request: { path: '/badge-service/badge/earned' },
    shape: (answer) => (Array.isArray(answer) ? without(answer as JsonValue, 'connections') : answer),
    description: 'The badges that were earned.',
    method: 'get_earned_badges',
    isEmpty: emptyTests.badges,
  },
  challenges: {
    granularity: 'snapshot',
    settleDays: 0,
    request: challengeRequests,
    shape: (answer, profile) => shapeChallenges(answer, profile),
    description: 'Own ad-hoc challenges, badge challenges and expeditions.',
    method: 'get_badge_challenges',
    isEmpty: emptyTests.challenges,
  },
} as const satisfies Record<string, DatasetEntry>;
