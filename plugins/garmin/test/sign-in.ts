import type { Handler } from './server.ts';

export const oauth1 = { oauth_token: 'oauth1-canary', oauth_token_secret: 'oauth1-secret-canary' };
export const credentials = { email: 'invented@example.org', password: 'password-canary' };
export const form =
  '<html><title>GARMIN Authentication Application</title><input name="_csrf" value="csrf-canary"></html>';
export const success =
  '<html><title>Success</title>var response_url = "https://x/?ticket=ST-ticket-canary-cas";</html>';

/** A sign-in service whose answer to the form is the page. */
export const signInService =
  (page: string, status = 200): Handler =>
  ({ method, path }) => {
    if (path === '/sso/embed') return { text: '<html></html>' };
    if (path === '/sso/signin') return method === 'GET' ? { text: form } : { text: page, status };
    if (path.endsWith('/preauthorized')) return { text: new URLSearchParams(oauth1).toString() };
    if (path.endsWith('/exchange/user/2.0')) return { json: { access_token: 'bearer-2', expires_in: 3600 } };
    return undefined;
  };

export const paths = (seen: readonly { method: string; path: string }[]) =>
  seen.map(({ method, path }) => `${method} ${path}`);
