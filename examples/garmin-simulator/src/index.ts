export { startGarminSimulator } from './simulator.ts';
export type { GarminSimulator, GarminSimulatorOptions } from './simulator.ts';
export type { ScriptedAnswer } from './control.ts';
export type { SimulatedRequest } from './requests.ts';
