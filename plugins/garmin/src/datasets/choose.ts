import type { GarminApi } from '../garmin-api.ts';
import type { GarminSession } from '../session.ts';
import type { DatasetEntry, DayEntry, RangeEntry, RangeQuestion } from './entry.ts';
import type { Source } from './read.ts';

/** How a dataset is read in a session, or why it cannot be. */
export type Choice = Source | { readonly notSupported: string };

const noCredential = 'no credential covers it: sign in with `npx otw login garmin`';
const noSummary =
  'Garmin has it day by day alone, and daily readings are switched off: set GARMIN_INTRADAY (intraday) to true';

function toRange({ settleDays, description }: DatasetEntry, question: RangeQuestion): RangeEntry {
  return { granularity: 'range', settleDays, description, ...question };
}

function fromApis(name: string, entry: DatasetEntry, apis: readonly (GarminApi | undefined)[]): Source {
  const present = apis.filter((api) => api !== undefined);
  return { name, entry, apis: present, is404OfApi: false };
}

function chooseSummary(name: string, entry: DayEntry, { apis }: GarminSession): Choice {
  const { summary, personal } = entry;
  if (!summary) return { notSupported: noSummary };
  const isOnPersonal = personal === summary;
  const asked = [isOnPersonal ? apis.personal : undefined, apis.connect];
  if (asked.some(Boolean)) return fromApis(name, toRange(entry, summary), asked);
  return choosePersonal(name, entry, apis.personal);
}

function choosePersonal(name: string, entry: DatasetEntry, api: GarminApi | undefined): Choice {
  const { personal } = entry;
  if (!api || personal === undefined) return { notSupported: noCredential };
  const chosen = personal === 'same' ? entry : toRange(entry, personal);
  return { ...fromApis(name, chosen, [api]), is404OfApi: true };
}

/**
 * Where a dataset is read in the session: from the Connect Personal API where it has the same answer,
 * with the phone app's api behind it; else from the phone app's; else what the Personal API has of it.
 */
export function choose(name: string, entry: DatasetEntry, session: GarminSession): Choice {
  const { apis, intraday } = session;
  if (!intraday && entry.granularity === 'day') return chooseSummary(name, entry, session);
  if (!apis.connect) return choosePersonal(name, entry, apis.personal);
  return fromApis(name, entry, [entry.personal === 'same' ? apis.personal : undefined, apis.connect]);
}
