import type { Reply, Request } from './http.ts';
import type { LoginAnswerer, LoginDesk } from './sign-in/desk.ts';
import * as grants from './sign-in/grants.ts';
import { jsonLogin, jsonVerifyCode } from './sign-in/json-login.ts';
import * as pages from './sign-in/pages.ts';

const LOGIN_ROUTES: Readonly<Record<string, LoginAnswerer>> = {
  'GET /sso/embed': pages.embed,
  'GET /sso/signin': pages.signInForm,
  'POST /sso/signin': pages.widgetSignIn,
  'POST /sso/verifyMFA/mfaCode': pages.widgetSendCode,
  'POST /sso/verifyMFA/loginEnterMfaCode': pages.widgetCode,
  'GET /mobile/sso/en-US/sign-in': pages.signInForm,
  'POST /mobile/sso/en-US/sign-in': pages.browserSignIn,
  'GET /portal/sso/en-US/sign-in': pages.signInForm,
  'POST /portal/sso/en-US/sign-in': pages.browserSignIn,
  'POST /mobile/api/login': jsonLogin,
  'POST /mobile/api/mfa/verifyCode': jsonVerifyCode,
  'POST /portal/api/login': jsonLogin,
  'POST /portal/api/mfa/verifyCode': jsonVerifyCode,
  'GET /oauth-service/oauth/preauthorized': grants.preauthorized,
  'POST /oauth-service/oauth/exchange/user/2.0': grants.exchange,
  'POST /di-oauth2-service/oauth/token': grants.diGrant,
  'POST /personalapitoken-service/personal-api/personal-api-key/token': grants.personalToken,
};

/** Everything before there is a token; undefined for any other path. */
export function answerLogin(request: Request, desk: LoginDesk): Reply | undefined {
  return LOGIN_ROUTES[`${request.method} ${request.path.replace('/en_US/', '/en-US/')}`]?.(request, desk);
}
