/** Every word of Garmin's paths that can be asked for; any other part of a path is about the person. */
export const pathWords: ReadonlySet<string> = new Set(
  `activities activity activity-service activitylist-service adHocChallenge adhocchallenge-service aggregated all allData
  available badge badge-service badgeChallenge badgechallenge-service biometric biometric-service bloodpressure
  bloodpressure-service bodyBattery bodybattery calendar calendar-service completed daily dailyEvents dailyHeartRate
  dailySleepData dailySleepSummariesByDate dailySpo2 dailyStress dailySummariesCount dailySummaryChart dailysummaries
  dateRange daterangesnapshot dayview device-info device-service deviceregistration devices deviceservice earned effective
  endurancescore epoch events feature filterGear first fitnessage fitnessage-service floorsChartData
  functionalThresholdPower gdprconsent-service gear gear-service goal goal-service goals heartRateZones graphql graphql-gateway hillscore
  historical hrv hrv-service hydration im inProgress lactateThresholdHeartRate lactateThresholdSpeed last lastconfirmed
  latest latestFunctionalThresholdPower latestLactateThreshold list maxmet menstrualcycle metrics metrics-service
  mobile-gateway monthly mylastused non-completed nutrition-service periodichealth-service personal-information
  personalrecord personalrecord-service plans powerToWeight powerZones pregnancysnapshot primary-training-device profile
  prs racepredictions range reports request respiration runningtolerance score search sensors settings sleep
  sleep-service socialProfile spo2 spo2acclimation sports stats steps stress summary syncTimestamp trainingplan
  trainingplan-service trainingreadiness trainingstatus user user-settings userprofile userprofile-service userstats-service
  usersummary usersummary-service v2 virtualChallenge web-gateway weekly weight weight-service weightgoal wellness
  wellness-service wellnessactivity-service workout workout-service workouts RUNNING CYCLING`.split(/\s+/),
);

/** Rewrites the parts of a path that are no words of Garmin's. */
export function mapPath(path: string, redact: (part: string) => string): string {
  return path
    .split('/')
    .map((part) => {
      if (part === '' || pathWords.has(part)) return part;
      return encodeURIComponent(redact(decoded(part)));
    })
    .join('/');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}
