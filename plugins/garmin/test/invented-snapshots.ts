import { profile, type Seen } from './server.ts';

type Row = Record<string, unknown>;

const rows = (count: number, make: (index: number) => Row) =>
  Array.from({ length: count }, (_, index) => make(index));

function page(list: Row[], { start = '0', limit = '20' }: Seen['query'], firstStart: number): Row[] {
  const begin = Number(start) - firstStart;
  return list.slice(begin, begin + Number(limit));
}

/** Answers of the state of now. */
export const snapshots: Record<string, (seen: Seen) => unknown> = {
  '/periodichealth-service/menstrualcycle/pregnancysnapshot': () => ({ dueDate: '2031-01-01' }),
  '/workout-service/workouts': ({ query }) =>
    page(
      rows(130, (index) => ({ workoutId: index + 1 })),
      query,
      0,
    ),
  '/trainingplan-service/trainingplan/plans': () => ({ trainingPlanList: [{ trainingPlanId: 1 }] }),
  '/device-service/deviceregistration/devices': () => [{ deviceId: 1, productDisplayName: 'Invented' }],
  '/gear-service/gear/filterGear': () => [{ gearPk: 1, uuid: 'a1' }],
  '/goal-service/goal/goals': ({ query, headers }) =>
    headers['sec-fetch-site'] === 'same-origin' && query['start'] !== '0'
      ? page(
          rows(query['status'] === 'past' ? 35 : 1, (index) => ({ id: index + 1, goalValue: 5 })),
          query,
          1,
        )
      : [],
  '/badge-service/badge/earned': () => [
    { badgeId: 1, badgeName: 'First', connections: [{ fullName: 'Somebody Else' }] },
  ],
  '/adhocchallenge-service/adHocChallenge/historical': () => [
    { uuid: 'own', ownerUserProfileId: profile.profileId, players: [{ fullName: 'Somebody Else' }] },
    { uuid: 'joined', ownerUserProfileId: 1, userRanking: 3 },
    { uuid: 'foreign', ownerUserProfileId: 1, userRanking: null },
  ],
  '/badgechallenge-service/badgeChallenge/completed': ({ query }) =>
    page(
      rows(101, (index) => ({ uuid: `done-${index}` })),
      query,
      1,
    ),
  '/badgechallenge-service/badgeChallenge/available': () => [{ uuid: 'open' }],
  '/badgechallenge-service/badgeChallenge/non-completed': () => [],
  '/badgechallenge-service/virtualChallenge/inProgress': () => ({ challenges: [{ uuid: 'far' }] }),
};
