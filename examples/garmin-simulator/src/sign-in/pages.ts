import { emptyReply, jsonReply, textReply } from '../http.ts';
import type { Reply, Request } from '../http.ts';
import { takesService } from '../region.ts';
import { MASKED_PHONE, knows, maskedEmail, pendingOf, waitForCode } from './desk.ts';
import type { LoginAnswerer, LoginDesk } from './desk.ts';

const CSRF = 'simulated-csrf-token';
const TITLE = 'GARMIN Authentication Application';

export function page(title: string, body: string, headers: Record<string, string> = {}): Reply {
  const html = `<!DOCTYPE html><html lang="en"><head><title>${title}</title></head><body>
<p><strong>This is the Garmin simulator, not Garmin.</strong></p>${body}</body></html>`;
  const reply = textReply(200, 'text/html;charset=utf-8', html);
  return { ...reply, headers: { ...reply.headers, ...headers } };
}

const FORM = `<form method="post">
<input name="username" type="email"><input name="password" type="password">
<input name="embed" type="hidden" value="true">
<input type="hidden" name="_csrf" value="${CSRF}" />
<button>Sign in</button></form>`;

const CODE_FORM = `<form method="post"><input name="mfa-code" inputmode="numeric">
<input type="hidden" name="_csrf" value="${CSRF}" /><button>Next</button></form>`;

const UNKNOWN_SERVICE = page(`${TITLE}: Invalid service`, '<p>The service is not known here.</p>');
const REFUSED = page(`${TITLE}: Invalid sign in`, `<p>Invalid sign in.</p>${FORM}`);

/** Asks for the code; the variables are what clients read from the script of the real page. */
function codePage(desk: LoginDesk, headers: Record<string, string> = {}): Reply {
  const method = desk.mfa?.method ?? 'email';
  const sentTo = { email: maskedEmail(desk), sms: MASKED_PHONE, app: '' }[method];
  const script = `<script>var customerGuid = "00000000-simulated"; var mfaMethod = "${method}";
var locale = "en"; var clientId = "gauth-widget"; var codeSentTo = "${sentTo}";</script>`;
  return page('Enter MFA code for login', script + CODE_FORM, headers);
}

type Finish = (service: string | undefined, desk: LoginDesk) => Reply;

/** The widget ends on a page that holds the ticket. */
const successPage: Finish = (service, { tickets }) =>
  page('Success', `<script>var response_url = "/sso/embed?ticket=${tickets.issue(service)}";</script>`);

/** The app's page sends the browser to the service, with the ticket in the address. */
const redirect: Finish = (service = '', { tickets }) =>
  emptyReply(302, {
    location: `${service}${service.includes('?') ? '&' : '?'}ticket=${tickets.issue(service)}`,
  });

const form = ({ query }: Request, { region }: LoginDesk): Reply =>
  query['service'] !== undefined && !takesService(region, query['service'])
    ? UNKNOWN_SERVICE
    : page(TITLE, FORM);

function passwordPage(request: Request, desk: LoginDesk, finish: Finish): Reply {
  const { service } = request.query;
  if (!takesService(desk.region, service)) return UNKNOWN_SERVICE;
  if (!knows(desk, request)) return REFUSED;
  return desk.mfa === undefined ? finish(service, desk) : codePage(desk, waitForCode(desk, service));
}

function codeAnswer(request: Request, desk: LoginDesk, finish: Finish): Reply {
  const pending = pendingOf(request, desk);
  if (pending === undefined) return page(TITLE, FORM);
  if (request.fields['mfa-code'] !== desk.mfa?.code) return codePage(desk);
  desk.pending.delete(pending.id);
  return finish(pending.service, desk);
}

export const embed: LoginAnswerer = () => page(TITLE, '');
export const signInForm: LoginAnswerer = form;
/** The widget takes its own form only. */
export const widgetSignIn: LoginAnswerer = (request, desk) =>
  request.fields['_csrf'] === CSRF ? passwordPage(request, desk, successPage) : page(TITLE, FORM);

export const widgetCode: LoginAnswerer = (request, desk) => codeAnswer(request, desk, successPage);
export const widgetSendCode: LoginAnswerer = () => jsonReply(200, {});

/** The page a person opens with a browser of their own. */
export const browserSignIn: LoginAnswerer = (request, desk) =>
  request.fields['mfa-code'] === undefined
    ? passwordPage(request, desk, redirect)
    : codeAnswer(request, desk, redirect);
