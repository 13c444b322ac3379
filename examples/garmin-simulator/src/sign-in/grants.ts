import { emptyReply, jsonReply, textReply } from '../http.ts';
import type { Reply } from '../http.ts';
import { takesService } from '../region.ts';
import type { TokenAnswer } from '../tokens.ts';
import type { LoginAnswerer } from './desk.ts';

const EXCHANGE_CLIENT_ID = 'GARMIN_CONNECT_MOBILE_ANDROID_DI';
/** The same in both regions: a name, not an address. */
const TICKET_GRANT = 'https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket';

export const preauthorized: LoginAnswerer = ({ query, headers }, { tokens, tickets, region }) => {
  const service = query['login-url'];
  const signed = headers.authorization?.startsWith('OAuth ') === true;
  if (!signed || !takesService(region, service) || !tickets.spend(query['ticket'], service)) {
    return emptyReply(401);
  }
  const { token, secret } = tokens.issueOAuth1();
  return textReply(200, 'text/plain;charset=utf-8', `oauth_token=${token}&oauth_token_secret=${secret}`);
};

/** The OAuth1 token comes in the query or in the Authorization header. */
export const exchange: LoginAnswerer = ({ query, headers }, { tokens }) => {
  const inHeader = /oauth_token="([^"]+)"/.exec(headers.authorization ?? '')?.[1];
  const token = query['oauth_token'] ?? (inHeader && decodeURIComponent(inHeader));
  if (!tokens.acceptsOAuth1(token)) return emptyReply(401);
  return jsonReply(200, tokens.issue({ clientId: EXCHANGE_CLIENT_ID, from: 'oauth2' }));
};

const refuse = (status: number, error: string, description?: string): Reply =>
  jsonReply(status, { error, ...(description === undefined ? {} : { error_description: description }) });

const granted = (issued: TokenAnswer): Reply => jsonReply(200, issued);

const refreshGrant: LoginAnswerer = ({ fields }, { tokens }) => {
  const refreshed = tokens.refresh(fields['refresh_token'] ?? '', fields['client_id'] ?? '');
  if ('issued' in refreshed) return granted(refreshed.issued);
  switch (refreshed.refused) {
    case 'region':
      return refuse(400, 'invalid_grant', "User doesn't exist in DB for GarminGUID");
    case 'client':
      return refuse(401, 'invalid_client');
    case 'token':
      return refuse(400, 'invalid_grant');
  }
};

/** A client id that is not known is refused before the ticket is looked at: the next one may be tried. */
const ticketGrant: LoginAnswerer = ({ fields }, { tokens, tickets, diClientIds, region }) => {
  const clientId = fields['client_id'] ?? '';
  if (!diClientIds.has(clientId)) return refuse(401, 'invalid_client');
  const service = fields['service_url'];
  const fits = takesService(region, service) && tickets.spend(fields['service_ticket'], service);
  return fits ? granted(tokens.issue({ clientId })) : refuse(400, 'invalid_grant');
};

export const diGrant: LoginAnswerer = (request, desk) => {
  const { client_id: clientId, grant_type: type } = request.fields;
  if (!clientId) return refuse(401, 'invalid_client');
  if (type === 'refresh_token') return refreshGrant(request, desk);
  if (type === TICKET_GRANT) return ticketGrant(request, desk);
  return refuse(400, 'unsupported_grant_type');
};

/** Without a key set up nobody has one. */
export const personalToken: LoginAnswerer = ({ headers }, { tokens, personalApiKey }) =>
  personalApiKey !== undefined && headers.authorization === `ApiKey ${personalApiKey}`
    ? jsonReply(200, tokens.issuePersonal())
    : jsonReply(401, { error: 'invalid_client', message: 'The API key is not valid' });
