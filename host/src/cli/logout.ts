import { existsSync } from 'node:fs';
import type { ConnectionConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { AlreadyRunning } from '../run-service.ts';
import { chosenConnection, withContext, type GlobalOptions } from './context.ts';
import { print, printJson, say } from './output.ts';
import { terminalPrompt } from './prompt.ts';

/** Options of `otw logout`. */
export interface LogoutOptions extends GlobalOptions {
  readonly yes?: boolean;
}

/** True when the person agrees; without a terminal that takes --yes. */
async function isAgreed({ name }: ConnectionConfig, options: LogoutOptions): Promise<boolean> {
  if (options.yes === true) return true;
  const prompt = terminalPrompt();
  if (!prompt) {
    throw new HostError(
      exitCodes.usage,
      `Expected --yes, since nobody is at a terminal to ask; for example otw logout ${name} --yes`,
    );
  }
  const message = `Forget the saved session of ${name}? Somebody must sign in again before the next run. [y/N]`;
  return /^y(es)?$/i.test(await prompt({ message }));
}

/** `otw logout`: forgets a connection's session; what was read stays. */
export function logoutCommand(name: string | undefined, options: LogoutOptions): Promise<number> {
  return withContext(options, { role: 'logout' }, async ({ config, host }) => {
    const connection = chosenConnection(config, name);
    if (!(await isAgreed(connection, options))) {
      say('Nothing was changed.');
      return exitCodes.done;
    }
    try {
      const fields = await host.signIns.signOut(connection);
      const filesLeft = existsSync(connection.tokenDir);
      if (options.json === true) {
        printJson({ connection: connection.name, forgotten: fields, token_dir_left: filesLeft });
      } else {
        const what = fields === 0 ? 'no session was saved' : 'its session is forgotten';
        print(`Signed out of ${connection.name}: ${what}. What was read is kept.`);
      }
      if (filesLeft) {
        say(
          `Token files in ${connection.tokenDir} are left as they are, and the next run would import them again.`,
        );
      }
      return exitCodes.done;
    } catch (error) {
      if (error instanceof AlreadyRunning)
        throw new HostError(exitCodes.failed, error.message, { cause: error });
      throw error;
    }
  });
}
