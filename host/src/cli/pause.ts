import { formatInstant } from '@on-the-way/sdk';
import { z } from 'zod';
import { exitCodes } from '../host-error.ts';
import { chosenConnection, withContext } from './context.ts';
import { print, printJson } from './output.ts';
import { findRemote, remoteConnection, viaRemote, type Remote, type RemoteOptions } from './remote.ts';

const answer = z.object({ connection: z.object({ name: z.string(), paused_at: z.string().nullable() }) });

type Verb = 'pause' | 'resume';

function show(name: string, pausedAt: string | null, json: boolean): number {
  if (json) printJson({ connection: name, paused_at: pausedAt });
  else if (pausedAt === null) print(`${name} is resumed: a run that is due begins shortly.`);
  else print(`${name} is paused since ${pausedAt}: no run of it begins until otw resume ${name}.`);
  return exitCodes.done;
}

function byHost(remote: Remote, verb: Verb, name: string): Promise<string | null> {
  const { client } = remote;
  return viaRemote(client, async () => {
    const path = `/v1/connections/${name}/${verb}`;
    return (await client.send({ method: 'POST', path }, answer)).connection.paused_at;
  });
}

/** `otw pause` and `otw resume`: keeps runs of a connection from beginning, over restarts, or lets them begin again. */
export async function pauseCommand(
  verb: Verb,
  name: string | undefined,
  options: RemoteOptions,
): Promise<number> {
  const json = options.json === true;
  const remote = await findRemote(options);
  if (remote) {
    const chosen = remoteConnection(remote, name).name;
    return show(chosen, await byHost(remote, verb, chosen), json);
  }
  return withContext(options, { role: verb }, async ({ config, host }) => {
    const chosen = chosenConnection(config, name).name;
    const pausedAt = await host.connections.setPaused(chosen, verb === 'pause');
    return show(chosen, pausedAt === null ? null : formatInstant(pausedAt.getTime(), config.timeZone), json);
  });
}
