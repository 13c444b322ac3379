/**
 * What the process of a connector needs of the engine: to open one, to wrap what it answers, to say how it failed.
 * It is loaded for each such process, so nothing that plans, retries or records is in here.
 */
export { PluginBug } from './call-plugin.ts';
export { failureOf } from './failure.ts';
export { openConnector } from './open-connector.ts';
export type { OpenConnector } from './ports.ts';
export { createRequestMeter } from './request-meter.ts';
