import { Buffer } from 'node:buffer';
import { jsonReply } from '../http.ts';
import type { Reply, Request } from '../http.ts';
import { takesService } from '../region.ts';
import { MASKED_PHONE, knows, maskedEmail, pendingOf, waitForCode } from './desk.ts';
import type { LoginAnswerer, LoginDesk } from './desk.ts';

interface LoginOutcome {
  readonly type: string;
  readonly status?: number;
  readonly message?: string;
  readonly service?: string | undefined;
  readonly ticket?: string;
  readonly customerMfaInfo?: unknown;
  readonly headers?: Record<string, string>;
}

/** The one shape of every answer to a login of the app. */
export function loginReply(outcome: LoginOutcome): Reply {
  const { type, status = 200, message = '', service, ticket, customerMfaInfo = null, headers } = outcome;
  const body = {
    serviceURL: service ?? null,
    serviceTicketId: ticket ?? null,
    responseStatus: { type, message, httpStatus: status === 200 ? 'OK' : 'UNAUTHORIZED' },
    responseReason: null,
    customerMfaInfo,
    consentTypeList: null,
    captchaAlreadyPassed: false,
    samlResponse: null,
    authType: null,
  };
  return jsonReply(status, body, headers);
}

function problem(detail: string): Reply {
  const body = { type: 'about:blank', title: 'Bad Request', status: 400, detail };
  return {
    status: 400,
    headers: { 'content-type': 'application/problem+json' },
    bytes: Buffer.from(JSON.stringify(body)),
  };
}

function refuseRequest({ text, query }: Request, { region }: LoginDesk): Reply | undefined {
  if (text === '') return problem('Failed to read request');
  if (!takesService(region, query['service'])) return problem('The service is not known here');
  return undefined;
}

function mfaInfo(desk: LoginDesk) {
  return {
    email: maskedEmail(desk),
    phoneNumber: MASKED_PHONE,
    mfaLastMethodUsed: desk.mfa?.method,
    defaultMfaMethod: desk.mfa?.method,
    mfaUISetting: null,
  };
}

/** The app's login: one JSON request, and a second one where a code is wanted. */
export const jsonLogin: LoginAnswerer = (request, desk) => {
  const refused = refuseRequest(request, desk);
  if (refused !== undefined) return refused;
  const { service } = request.query;
  if (!knows(desk, request)) return loginReply({ type: 'INVALID_USERNAME_PASSWORD', status: 401, service });
  if (desk.mfa === undefined) {
    return loginReply({ type: 'SUCCESSFUL', service, ticket: desk.tickets.issue(service) });
  }
  const headers = waitForCode(desk, service);
  return loginReply({ type: 'MFA_REQUIRED', service, customerMfaInfo: mfaInfo(desk), headers });
};

/** A wrong code leaves the sign-in waiting; without its cookie there is none. */
export const jsonVerifyCode: LoginAnswerer = (request, desk) => {
  const refused = refuseRequest(request, desk);
  if (refused !== undefined) return refused;
  const pending = pendingOf(request, desk);
  if (pending === undefined || desk.mfa === undefined) {
    return loginReply({ type: 'SESSION_EXPIRED', status: 401, message: 'No sign-in waits for a code' });
  }
  const { service } = pending;
  const { mfaMethod, mfaVerificationCode } = request.fields;
  if (mfaMethod !== desk.mfa.method || mfaVerificationCode !== desk.mfa.code) {
    return loginReply({ type: 'INVALID_MFA_CODE', service, customerMfaInfo: mfaInfo(desk) });
  }
  desk.pending.delete(pending.id);
  return loginReply({ type: 'SUCCESSFUL', service, ticket: desk.tickets.issue(service) });
};
