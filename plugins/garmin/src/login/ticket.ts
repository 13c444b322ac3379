import { ConnectorError, type LoginContext } from '@on-the-way/sdk';
import type { GarminClient } from '../client.ts';
import type { Region } from '../config.ts';
import { exchangeTicket } from './di-token.ts';
import { regionOfHost } from './jwt.ts';
import { mobilePage, mobileService } from './mobile-sign-in.ts';
import { otherRegionHint } from './remedy.ts';
import type { DiSession } from './saved-session.ts';

/** A ticket, and the service it was made for. */
export interface Ticket {
  readonly ticket: string;
  readonly serviceUrl: string;
}

const ticketPattern = /^ST-[\w.~-]{3,500}$/;

function servicesOf(region: Region): string[] {
  return [
    mobileService(region),
    `https://mobile.integration.${region}/gcm/android`,
    `https://connect.${region}/app`,
    `https://sso.${region}/sso/embed`,
  ];
}

function noTicket(found: string): ConnectorError {
  return new ConnectorError(
    'needs_user',
    `Expected a ticket such as ST-…, or the address with ticket=ST-… in it, got ${found}: sign in with your browser ` +
      'again, then copy the whole address it ends at',
  );
}

/**
 * The ticket in what a person pasted: an address or the ticket itself. Throws `needs_user` where there is
 * none, `config` where the address belongs to the other region.
 */
export function parseTicket(pasted: string, region: Region): Ticket {
  const text = pasted.trim().replaceAll(/^["'<]+|["'>]+$/g, '');
  if (ticketPattern.test(text)) return { ticket: text, serviceUrl: mobileService(region) };
  if (!URL.canParse(text)) throw noTicket('something else');
  const url = new URL(text);
  const found = regionOfHost(url.hostname);
  if (found !== undefined && found !== region) {
    throw new ConnectorError(
      'config',
      `Expected an address of ${region}, got one of ${found}: ${otherRegionHint(region)}, or sign in at ${region}`,
    );
  }
  const ticket = url.searchParams.get('ticket') ?? '';
  if (!ticketPattern.test(ticket)) throw noTicket('an address without one');
  const service = `${url.origin}${url.pathname}`;
  return {
    ticket,
    serviceUrl: servicesOf(region).find((known) => known === service) ?? mobileService(region),
  };
}

async function askForTicket(client: GarminClient, prompt: LoginContext<unknown>['prompt']): Promise<string> {
  const page = mobilePage(client);
  if (!prompt) {
    throw new ConnectorError(
      'needs_user',
      `Expected a ticket, and nobody is at a terminal to be asked: sign in at ${page} with a browser, then run ` +
        "`npx otw login garmin --ticket '<the address it ends at>'`",
    );
  }
  return prompt({
    message:
      `Open ${page} in your browser and sign in. It ends at an address with ticket=ST-… in it, perhaps on a page ` +
      'that cannot be shown. Paste that address here:',
  });
}

/** Makes a session of the ticket a person's own browser was given. */
export async function signInByTicket(
  client: GarminClient,
  {
    ticket: given,
    prompt,
    signal,
  }: {
    readonly ticket: string | undefined;
    readonly prompt: LoginContext<unknown>['prompt'];
    readonly signal: AbortSignal;
  },
): Promise<DiSession> {
  const pasted = given ?? (await askForTicket(client, prompt));
  const { ticket, serviceUrl } = parseTicket(pasted, client.origins.domain);
  try {
    return await exchangeTicket(client, { ticket, serviceUrl, signal });
  } catch (error) {
    if (!ConnectorError.is(error) || error.code !== 'source') throw error;
    const { message, status } = error;
    throw new ConnectorError('needs_user', message, { ...(status !== undefined && { status }) });
  }
}
