import type { Check } from '../check.ts';
import { authChecks } from './auth.ts';
import { datasetChecks } from './datasets.ts';
import { errorChecks } from './errors.ts';
import { fetchChecks } from './fetch.ts';
import { loginChecks } from './login.ts';
import { memoryChecks } from './memory.ts';
import { rateChecks } from './rate.ts';
import { secretChecks } from './secrets.ts';
import { sinkChecks } from './sink.ts';
import { specChecks } from './spec.ts';
import { stateChecks } from './state.ts';
import { telemetryChecks } from './telemetry.ts';

/** Every check, by number. */
export const checks: readonly Check[] = [
  ...specChecks,
  ...loginChecks,
  ...secretChecks,
  ...datasetChecks,
  ...fetchChecks,
  ...stateChecks,
  ...errorChecks,
  ...authChecks,
  ...rateChecks,
  ...memoryChecks,
  ...sinkChecks,
  ...telemetryChecks,
];
