import { emptyReply, jsonReply, textReply } from './http.ts';
import type { Reply, Request } from './http.ts';
import type { TokenDesk } from './tokens.ts';

export interface LoginDesk {
  readonly email: string;
  readonly password: string;
  readonly tokens: TokenDesk;
}

type LoginAnswerer = (request: Request, desk: LoginDesk) => Reply;

const CSRF = 'simulated-csrf-token';
const CLIENT_ID = 'GARMIN_CONNECT_MOBILE_ANDROID_DI';
const TICKET_GRANT = 'https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket';

const page = (title: string, body: string): Reply =>
  textReply(
    200,
    'text/html;charset=utf-8',
    `<!DOCTYPE html><html lang="en"><head><title>${title}</title></head><body>
<p><strong>This is the Garmin simulator, not Garmin.</strong></p>${body}</body></html>`,
  );

const FORM = `<form method="post">
<input name="username" type="email"><input name="password" type="password">
<input name="embed" type="hidden" value="true">
<input type="hidden" name="_csrf" value="${CSRF}" />
<button>Sign in</button></form>`;

const knows = ({ email, password }: LoginDesk, sentEmail?: string, sentPassword?: string): boolean =>
  sentEmail === email && sentPassword === password;

const signIn: LoginAnswerer = ({ fields }, desk) => {
  if (fields['_csrf'] !== CSRF) return page('GARMIN Authentication Application', FORM);
  if (!knows(desk, fields['username'], fields['password'])) {
    return page('GARMIN Authentication Application: Invalid sign in', `<p>Invalid sign in.</p>${FORM}`);
  }
  const ticket = desk.tokens.issueTicket();
  return page('Success', `<script>var response_url = "/sso/embed?ticket=${ticket}";</script>`);
};

/** The mobile app's login: one JSON request. */
const mobileSignIn: LoginAnswerer = ({ fields, query }, desk) => {
  const good = knows(desk, fields['username'], fields['password']);
  const status = good ? 200 : 401;
  return jsonReply(status, {
    serviceURL: query['service'] ?? null,
    serviceTicketId: good ? desk.tokens.issueTicket() : null,
    responseStatus: {
      type: good ? 'SUCCESSFUL' : 'INVALID_USERNAME_PASSWORD',
      message: '',
      httpStatus: good ? 'OK' : 'UNAUTHORIZED',
    },
    responseReason: null,
    customerMfaInfo: null,
    consentTypeList: null,
    captchaAlreadyPassed: false,
    samlResponse: null,
    authType: null,
  });
};

const preauthorized: LoginAnswerer = ({ query, headers }, { tokens }) => {
  if (!headers.authorization?.startsWith('OAuth ') || !tokens.spendTicket(query['ticket'])) {
    return emptyReply(401);
  }
  const { token, secret } = tokens.issueOAuth1();
  return textReply(200, 'text/plain;charset=utf-8', `oauth_token=${token}&oauth_token_secret=${secret}`);
};

/** The OAuth1 token comes in the query or in the Authorization header. */
const exchange: LoginAnswerer = ({ query, headers }, { tokens }) => {
  const inHeader = /oauth_token="([^"]+)"/.exec(headers.authorization ?? '')?.[1];
  const token = query['oauth_token'] ?? (inHeader && decodeURIComponent(inHeader));
  return tokens.acceptsOAuth1(token) ? jsonReply(200, tokens.issue(CLIENT_ID)) : emptyReply(401);
};

const grant: LoginAnswerer = ({ fields }, { tokens }) => {
  const clientId = fields['client_id'];
  if (!clientId) return jsonReply(401, { error: 'invalid_client' });
  const issued =
    fields['grant_type'] === 'refresh_token'
      ? tokens.refresh(fields['refresh_token'] ?? '', clientId)
      : fields['grant_type'] === TICKET_GRANT && tokens.spendTicket(fields['service_ticket'])
        ? tokens.issue(clientId)
        : undefined;
  return issued ? jsonReply(200, issued) : jsonReply(400, { error: 'invalid_grant' });
};

const LOGIN_ROUTES: Readonly<Record<string, LoginAnswerer>> = {
  'GET /sso/embed': () => page('GARMIN Authentication Application', ''),
  'GET /sso/signin': () => page('GARMIN Authentication Application', FORM),
  'POST /sso/signin': signIn,
  'POST /mobile/api/login': mobileSignIn,
  'GET /oauth-service/oauth/preauthorized': preauthorized,
  'POST /oauth-service/oauth/exchange/user/2.0': exchange,
  'POST /di-oauth2-service/oauth/token': grant,
};

/** Everything before there is a token; undefined for any other path. */
export function answerLogin(request: Request, desk: LoginDesk): Reply | undefined {
  return LOGIN_ROUTES[`${request.method} ${request.path}`]?.(request, desk);
}
