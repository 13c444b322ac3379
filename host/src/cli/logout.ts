import { existsSync } from 'node:fs';
import { exitCodes, HostError } from '../host-error.ts';
import { AlreadyRunning } from '../run-service.ts';
import { isAgreed } from './agreed.ts';
import { chosenConnection, withContext, type GlobalOptions } from './context.ts';
import { print, printJson, say } from './output.ts';

/** Options of `otw logout`. */
export interface LogoutOptions extends GlobalOptions {
  readonly yes?: boolean;
}

/** `otw logout`: forgets a connection's session; what was read stays. */
export function logoutCommand(name: string | undefined, options: LogoutOptions): Promise<number> {
  return withContext(options, { role: 'logout' }, async ({ config, host }) => {
    const connection = chosenConnection(config, name);
    const question = `Forget the saved session of ${connection.name}? Somebody must sign in again before the next run.`;
    const example = `otw logout ${connection.name} --yes`;
    if (!(await isAgreed({ question, example, yes: options.yes }))) {
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
