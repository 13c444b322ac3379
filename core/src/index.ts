/**
 * The engine: planner, runner, policies, envelope, digest. No HTTP, SQL, files or processes; the host
 * brings those through the interfaces of ports.ts.
 */
export { BreakerOpen, createPolicies, defaultPolicySettings } from './policies.ts';
export type { Policies, PolicySettings } from './policies.ts';
export { callPlugin, PluginBug } from './call-plugin.ts';
export { canonicalJson } from './canonical-json.ts';
export { accountRefOf, digestOfDay, sha256 } from './digest.ts';
export { crashPoints } from './crash-points.ts';
export type { CrashPoint, Reach } from './crash-points.ts';
export { createBus } from './events.ts';
export type { Bus, EngineEvents } from './events.ts';
export { envelopeNotCompared, envelopeOf } from './envelope.ts';
export type { EnvelopeIdentity } from './envelope.ts';
export { badAnswerCodes, failedDays } from './failed-days.ts';
export { failureOf } from './failure.ts';
export type { Failure } from './failure.ts';
export { nextFrontiers } from './frontier.ts';
export type { FrontierInput } from './frontier.ts';
export { openConnector, parsePluginConfig } from './open-connector.ts';
export type { OpenOptions } from './open-connector.ts';
export { absenceOf, okDaysOf, rowOf } from './absence.ts';
export type { Absence } from './absence.ts';
export { planSlices } from './plan-slices.ts';
export type { Slice } from './plan-slices.ts';
export type {
  Clock,
  Cursors,
  DatedEvent,
  EventOutcome,
  FetchedBatch,
  Frontier,
  Ledger,
  LedgerEntry,
  LedgerQuestion,
  OpenConnector,
  Outcome,
  RunSink,
  SliceOutcome,
  SliceRequest,
} from './ports.ts';
export { readForPlan } from './read-plan.ts';
export { BudgetSpent, createRequestMeter } from './request-meter.ts';
export type { RequestMeter } from './request-meter.ts';
export { isUnasked } from './run-slice.ts';
export { runConnection } from './run-connection.ts';
export type { RunInput } from './run-connection.ts';
export type { RunParts } from './run-slices.ts';
export { otherDouble } from './exact-number.ts';
export { isFinal } from './wanted-days.ts';
export type { PlanInput, SliceReason } from './wanted-days.ts';
export { parseStrictJson } from './strict-json.ts';
export type { JsonMembers, JsonSpan, StrictJson } from './strict-json.ts';
export { emptyCounts } from './run-summary.ts';
export type { DatasetCounts, EventCounts, RunStatus, RunSummary } from './run-summary.ts';
