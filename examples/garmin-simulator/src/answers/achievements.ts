import { addDays, dayNumber } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { FIRST_DAY, dayRandom } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import type { View } from '../person/view.ts';
import { badRequest, ok, page, wholeNumber } from './answer.ts';
import type { Answerer } from './answer.ts';
import { kilometersRun } from './goals.ts';

const BADGES = [
  { key: 'simulated_first_run', name: 'First Simulated Run', afterDays: 3, points: 1 },
  { key: 'simulated_10k', name: 'Simulated 10K', afterDays: 24, points: 1 },
  { key: 'simulated_half', name: 'Simulated Half Marathon', afterDays: 190, points: 2 },
  { key: 'simulated_early_bird', name: 'Simulated Early Bird', afterDays: 61, points: 1 },
  { key: 'simulated_year', name: 'One Simulated Year', afterDays: 366, points: 4 },
  { key: 'simulated_two_years', name: 'Two Simulated Years', afterDays: 731, points: 4 },
] as const;

function badgeRow(person: Person, index: number) {
  const badge = BADGES[index] ?? BADGES[0];
  const earned = `${addDays(FIRST_DAY, badge.afterDays)}T18:40:00.0`;
  return {
    badgeId: 9000 + index,
    badgeKey: badge.key,
    badgeName: badge.name,
    badgeUuid: null,
    badgeCategoryId: 1,
    badgeDifficultyId: badge.points === 4 ? 3 : 1,
    badgePoints: badge.points,
    badgeTypeIds: [2],
    badgeSeriesId: null,
    badgeStartDate: `${FIRST_DAY}T00:00:00.0`,
    badgeEndDate: null,
    badgeEarnedDate: earned,
    badgeEarnedNumber: 1,
    badgeLimitCount: 1,
    badgeIsViewed: true,
    badgeProgressValue: null,
    badgeTargetValue: null,
    badgeUnitId: null,
    badgeAssocTypeId: 5,
    badgeAssocType: 'activityId',
    badgeAssocDataId: null,
    badgeAssocDataName: null,
    earnedByMe: true,
    currentPlayerType: null,
    userJoined: null,
    badgeChallengeStatusId: null,
    badgePromotionCodeTypeList: [null],
    premium: false,
    createDate: earned,
    userProfileId: person.profileId,
    fullName: person.fullName,
    displayName: person.displayName,
  };
}

export const earnedBadges: Answerer = ({ view: { person, today } }) => {
  const days = dayNumber(today) - dayNumber(FIRST_DAY);
  const earned = BADGES.flatMap(({ afterDays }, index) =>
    afterDays < days ? [badgeRow(person, index)] : [],
  );
  return ok(earned);
};

const firstOfMonth = (date: CalendarDate): CalendarDate => `${date.slice(0, 7)}-01`;
const monthBefore = (first: CalendarDate): CalendarDate => firstOfMonth(addDays(first, -1));
const lastOfMonth = (first: CalendarDate): CalendarDate => addDays(firstOfMonth(addDays(first, 31)), -1);

/** First days of the months from the first watch up to, not including, this one; newest first. */
function pastMonths(today: CalendarDate): CalendarDate[] {
  const months: CalendarDate[] = [];
  for (let first = monthBefore(today); first >= FIRST_DAY; first = monthBefore(first)) months.push(first);
  return months;
}

const TARGET_KM = 80;

/** Run 80 km in a month. Progress counts whole days only. */
function monthChallenge(view: View, first: CalendarDate) {
  const { person, today } = view;
  const last = lastOfMonth(first);
  const kilometers = kilometersRun(view, first, last);
  const earned = kilometers >= TARGET_KM;
  return {
    uuid: dayRandom(person, first, 'challenge').hex(32).toUpperCase(),
    badgeChallengeName: `${first.slice(0, 7)} Simulated 80K`,
    challengeCategoryId: 1,
    badgeChallengeStatusId: last < today ? 3 : 2,
    startDate: `${first}T00:00:00.0`,
    endDate: `${last}T23:59:59.0`,
    createDate: `${first}T00:00:00.0`,
    updateDate: `${first}T00:00:00.0`,
    badgeId: 12_000 + (dayNumber(first) % 10_000),
    badgeKey: `simulated_80k_${first.slice(0, 7)}`,
    badgeUuid: null,
    badgePoints: 2,
    badgeUnitId: 1,
    badgeProgressValue: kilometers,
    badgeTargetValue: TARGET_KM,
    badgeEarnedDate: earned && last < today ? `${last}T20:00:00.0` : null,
    userJoined: true,
    joinable: last >= today,
    joinDateLocal: `${first}T08:00:00.0`,
    challengeCategoryImageId: 1,
    isPromotional: false,
  };
}

function adHocChallenge(view: View, first: CalendarDate) {
  const random = dayRandom(view.person, first, 'ad-hoc');
  return {
    socialChallengeStatusId: 3,
    socialChallengeActivityTypeId: 4,
    socialChallengeType: 1,
    adHocChallengeName: `Simulated steps ${first.slice(0, 7)}`,
    adHocChallengeDesc: null,
    ownerUserProfileId: view.person.profileId,
    uuid: random.hex(32).toUpperCase(),
    startDate: `${first}T00:00:00.0`,
    endDate: `${addDays(first, 6)}T23:59:59.0`,
    durationTypeId: 2,
    userRanking: random.int(1, 5),
    playerCount: 5,
    inviteeCount: 0,
    players: [],
    isChallengeCommentDisabled: false,
  };
}

/** Pages of challenges start at 1; 0 is refused. */
function paged(list: (view: View) => readonly unknown[]): Answerer {
  return ({ view, query }) => {
    const start = wholeNumber(query['start'], 0);
    if (start < 1) return badRequest('start should > 0.');
    return ok(page(list(view), start - 1, Math.min(100, wholeNumber(query['limit'], 100))));
  };
}

const achieved = (view: View, first: CalendarDate): boolean =>
  kilometersRun(view, first, lastOfMonth(first)) >= TARGET_KM;

export const adHocChallenges = paged((view) =>
  pastMonths(view.today)
    .filter((first) => ['01', '04', '07', '10'].includes(first.slice(5, 7)))
    .map((first) => adHocChallenge(view, first)),
);
export const completedChallenges = paged((view) =>
  pastMonths(view.today)
    .filter((first) => achieved(view, first))
    .map((first) => monthChallenge(view, first)),
);
export const unfinishedChallenges = paged((view) =>
  view.today < FIRST_DAY ? [] : [monthChallenge(view, firstOfMonth(view.today))],
);
export const availableChallenges = paged((view) => {
  const next = addDays(lastOfMonth(firstOfMonth(view.today)), 1);
  const { badgeProgressValue: _progress, ...rest } = monthChallenge(view, next);
  return [{ ...rest, badgeProgressValue: null, userJoined: false, joinDateLocal: null }];
});
export const virtualChallenges = paged(() => []);
