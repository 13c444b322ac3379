import { isRow, rowsOf } from './raw-json.ts';
import type { Row } from './raw-json.ts';
import { contentOf, recordedAt } from './recording.ts';
import type { Question } from './recording.ts';

/** The gateway wraps every part of its answer in an envelope. */
function payload(content: Row, member: string): Row | null {
  const envelope = content[member];
  const inside = isRow(envelope) ? envelope['payload'] : undefined;
  return isRow(inside) ? inside : null;
}

/** The latest status was recorded for this very day. */
function fromLatest({ all, start }: Question): Row | undefined {
  const shape = new RegExp(`^/mobile-gateway/usersummary/trainingstatus/latest/${start}$`);
  const content = recordedAt(all, shape).map(contentOf).find(isRow);
  if (content === undefined) return undefined;
  const status = payload(content, 'mostRecentTrainingStatus');
  return {
    userId: status?.['userId'] ?? null,
    mostRecentVO2Max: payload(content, 'mostRecentVO2Max'),
    mostRecentTrainingLoadBalance: payload(content, 'mostRecentTrainingLoadBalance'),
    mostRecentTrainingStatus: status,
    heatAltitudeAcclimationDTO: payload(content, 'mostRecentHeatAltitudeAcclimation'),
  };
}

/** A report of weeks or months has a row for each day and device. */
function fromReport({ all, start }: Question): Row | undefined {
  const reports = recordedAt(all, /^\/mobile-gateway\/usersummary\/trainingstatus\/(weekly|monthly)\//)
    .map(contentOf)
    .filter(isRow)
    .flatMap((content) => [
      payload(content, 'weeklyTrainingStatus'),
      payload(content, 'monthlyTrainingStatus'),
    ])
    .filter((report) => report !== null);
  for (const report of reports) {
    const byDevice = isRow(report['reportData']) ? Object.entries(report['reportData']) : [];
    const today = byDevice.flatMap(([device, rows]) =>
      rowsOf(rows)
        .filter((row) => row['calendarDate'] === start)
        .map((row) => [device, row] as const),
    );
    if (today.length === 0) continue;
    return {
      userId: report['userId'],
      mostRecentVO2Max: null,
      mostRecentTrainingLoadBalance: null,
      mostRecentTrainingStatus: {
        userId: report['userId'],
        latestTrainingStatusData: Object.fromEntries(today),
        recordedDevices: report['recordedDevices'],
        showSelector: report['showSelector'],
        lastPrimarySyncDate: null,
      },
      heatAltitudeAcclimationDTO: null,
    };
  }
  return undefined;
}

/** What the gateway recorded of a day, in the shape of the one-day answer. */
export function trainingStatusFrom(question: Question): unknown {
  return fromLatest(question) ?? fromReport(question);
}
