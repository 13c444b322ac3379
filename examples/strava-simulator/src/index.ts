export type { HistoryOptions } from './history.ts';
export { startStravaSimulator } from './simulator.ts';
export type { Account, Intercept, Seen, StravaSimulator, StravaSimulatorOptions } from './simulator.ts';
