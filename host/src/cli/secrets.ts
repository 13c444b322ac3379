import { resolve } from 'node:path';
import { ConnectorError } from '@on-the-way/sdk';
import { exitCodes, HostError } from '../host-error.ts';
import { rotateSessions } from '../storage/rotate-sessions.ts';
import { sessionKeyIn, type SessionKeyPlace } from '../storage/session-key.ts';
import { withContext, type GlobalOptions } from './context.ts';
import { print, printJson, say } from './output.ts';

/** Options of `otw secrets`. */
export interface SecretsOptions extends GlobalOptions {
  readonly to?: string;
}

function isOwn(place: SessionKeyPlace): boolean {
  return 'file' in place && place.created;
}

/** The host replaces its own key; one that somebody gives it can only be replaced by them. */
function checkTo(place: SessionKeyPlace, to: string | undefined): void {
  if (isOwn(place) && to !== undefined) {
    throw new HostError(
      exitCodes.usage,
      '--to: expected a key that is given by a variable or a service, found the one in the data directory: leave --to out',
    );
  }
  if (!isOwn(place) && to === undefined) {
    throw new HostError(
      exitCodes.usage,
      'Expected --to FILE for the new key, since this one is given from outside; for example otw secrets rotate --to /home/me/new-session.key',
    );
  }
}

/** `otw secrets rotate`: encrypts the saved sessions with a new key. */
export function secretsCommand(action: string, options: SecretsOptions): Promise<number> {
  if (action !== 'rotate') {
    throw new HostError(
      exitCodes.usage,
      `Expected rotate, found ${JSON.stringify(action)}; for example otw secrets rotate`,
    );
  }
  return withContext(options, { role: 'secrets' }, async ({ config, host, storage }) => {
    const place = config.sessionKey ?? sessionKeyIn(config.dataDir);
    checkTo(place, options.to);
    const to = options.to === undefined ? undefined : resolve(options.to);
    const rotation = await rotateSessions({
      database: host.database,
      databaseUrl: storage.url,
      timeZone: config.timeZone,
      place,
      ...(to !== undefined && { to }),
    }).catch((error: unknown) => {
      if (!ConnectorError.is(error)) throw error;
      throw new HostError(exitCodes.badConfig, error.message, { cause: error });
    });
    const { before, after, fields } = rotation;
    if (options.json === true) printJson({ before, after, fields, file: to ?? null });
    else
      print(
        `${fields} session fields are encrypted with the key ${after} now; ${before} opens none of them.`,
      );
    if (to !== undefined) {
      say(
        `The new key is in ${to}. Give it to every host (OTW_SESSION_KEY_FILE, OTW_SESSION_KEY or the service's credential) ` +
          'and restart them: until then they cannot use the saved sessions, and say so.',
      );
    }
    say(`Backups of the database made before now still need the key ${before}.`);
    return exitCodes.done;
  });
}
