import { exitCodes } from '../host-error.ts';
import { pluginErrorCodes } from '../isolate/plugin-error.ts';

const exitByCode: Readonly<Record<string, number>> = {
  auth: exitCodes.loginNeeded,
  needs_user: exitCodes.loginNeeded,
  rate_limited: exitCodes.rateLimited,
  config: exitCodes.badConfig,
  usage: exitCodes.usage,
  ...Object.fromEntries(pluginErrorCodes.map((code) => [code, exitCodes.badConfig])),
};

/** The exit code of a command that ended with this error code; `otherwise` for a code that says nothing more. */
export function exitCodeOfError(code: string | undefined, otherwise: number = exitCodes.failed): number {
  return exitByCode[code ?? ''] ?? otherwise;
}
