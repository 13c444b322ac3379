/**
 * The conformance suite: what a plugin promises, as checks that run against it.
 *
 * @packageDocumentation
 */
export type { Check, CheckTopic } from './check.ts';
export { checks } from './checks/index.ts';
export { currentSurface } from './current-surface.ts';
export type { Liar } from './liars/index.ts';
export { liars } from './liars/index.ts';
export { countResults, formatMatrix, formatReport, formatResult } from './report.ts';
export { runCheck, runChecks, testPlugin } from './run-checks.ts';
export type { CheckResult, RegisterTest, Report } from './run-checks.ts';
export { startTestServer } from './server.ts';
export type { Handler, Reply, TestRequest, TestServer } from './server.ts';
export { brokenPromises, surfaceOf } from './surface.ts';
export { defineSubject, isConnectorSubject } from './subject.ts';
export type {
  ConnectorSubject,
  FaultName,
  LargeSource,
  OpenSource,
  OpenTarget,
  SinkSubject,
  StoredEvent,
  Subject,
} from './subject.ts';
export type { HostRun, HostRunRequest, SuiteHost } from './suite-host.ts';
export type { Surface } from './surface.ts';
