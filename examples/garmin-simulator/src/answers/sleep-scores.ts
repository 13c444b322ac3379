import type { Night } from '../person/night.ts';

function quality(value: number): string {
  if (value >= 90) return 'EXCELLENT';
  if (value >= 80) return 'GOOD';
  return value >= 60 ? 'FAIR' : 'POOR';
}

/** A share of the night, with the share Garmin calls ideal. */
function share(night: Night, seconds: number, ideal: readonly [number, number]) {
  const total = night.seconds.deep + night.seconds.light + night.seconds.rem;
  const value = Math.round((100 * seconds) / total);
  return {
    value,
    qualifierKey: value >= ideal[0] && value <= ideal[1] ? 'EXCELLENT' : 'FAIR',
    optimalStart: ideal[0],
    optimalEnd: ideal[1],
    idealStartInSeconds: (total * ideal[0]) / 100,
    idealEndInSeconds: (total * ideal[1]) / 100,
  };
}

/** The score of a night and the marks behind it. */
export function sleepScores(night: Night) {
  return {
    totalDuration: { qualifierKey: quality(night.score), optimalStart: 27_900, optimalEnd: 27_900 },
    stress: { qualifierKey: night.stress <= 15 ? 'GOOD' : 'FAIR', optimalStart: 0, optimalEnd: 15 },
    awakeCount: {
      qualifierKey: night.awakeCount <= 1 ? 'EXCELLENT' : 'GOOD',
      optimalStart: 0,
      optimalEnd: 1,
    },
    overall: { value: night.score, qualifierKey: quality(night.score) },
    remPercentage: share(night, night.seconds.rem, [20, 30]),
    restlessness: { qualifierKey: 'GOOD', optimalStart: 0, optimalEnd: 5 },
    lightPercentage: share(night, night.seconds.light, [32, 62]),
    deepPercentage: share(night, night.seconds.deep, [15, 30]),
  };
}
