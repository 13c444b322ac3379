/**
 * What the conformance suite of plugins needs beside the SDK: a real host, and a Postgres to write to.
 *
 * @packageDocumentation
 */
export { startSuitePostgres } from './suite-database.ts';
export type { SuitePostgres } from './suite-database.ts';
export { startSuiteHost } from './suite-host.ts';
export type { SuiteHostOptions } from './suite-host.ts';
