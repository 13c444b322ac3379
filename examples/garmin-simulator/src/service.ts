import { FORBIDDEN, INACTIVE_TOKEN, NOT_FOUND } from './answers/answer.ts';
import type { Answer } from './answers/answer.ts';
import { GRAPHQL_PATH, answerGraphql } from './answers/graphql.ts';
import { emptyProfile } from './answers/profile.ts';
import { emptyReply, jsonReply } from './http.ts';
import type { Reply, Request } from './http.ts';
import { answerLogin } from './login.ts';
import type { GarminSimulatorOptions } from './options.ts';
import { createPerson } from './person/person.ts';
import type { Person } from './person/person.ts';
import { openSyncs } from './person/syncs.ts';
import type { SyncSchedule } from './person/syncs.ts';
import { viewAt } from './person/view.ts';
import type { View } from './person/view.ts';
import { isServedPersonally } from './personal-api.ts';
import { openRecordings } from './replay.ts';
import type { Recordings } from './replay.ts';
import { findDataRoute, findPersonRoute } from './routes.ts';
import { DI_CLIENT_IDS, openTicketDesk } from './sign-in/desk.ts';
import type { LoginDesk } from './sign-in/desk.ts';
import { openTokenDesk } from './tokens.ts';
import type { Standing } from './tokens.ts';

/** What stands behind the server: the person, the account, and what was recorded. */
export interface Service {
  readonly person: Person;
  readonly syncs: SyncSchedule;
  readonly login: LoginDesk;
  readonly foreignTokens: 'refused' | 'empty-profile';
  readonly recordings: Recordings | undefined;
  readonly now: () => number;
}

function openLogin(options: GarminSimulatorOptions, now: () => number): LoginDesk {
  const { seed = 'demo', email = 'runner@example.com', password = 'simulated', region, mfa } = options;
  const { accessSeconds, refreshSeconds, oauth2RefreshAtDi, diClientIds = DI_CLIENT_IDS } = options;
  return {
    account: { email, password },
    region,
    mfa,
    personalApiKey: options.personalApiKey,
    diClientIds: new Set(diClientIds),
    tokens: openTokenDesk({
      seed,
      now,
      region,
      ...(accessSeconds === undefined ? {} : { accessSeconds }),
      ...(refreshSeconds === undefined ? {} : { refreshSeconds }),
      ...(oauth2RefreshAtDi === undefined ? {} : { oauth2RefreshAtDi }),
    }),
    tickets: openTicketDesk(),
    pending: new Map(),
  };
}

export function openService(options: GarminSimulatorOptions): Service {
  const { seed = 'demo', now = Date.now, timeZone = 'Asia/Shanghai', recordings, features = {} } = options;
  const { hrv = true, menstrual = false } = features;
  const login = openLogin(options, now);
  const person = createPerson({ seed, timeZone, email: login.account.email, features: { hrv, menstrual } });
  return {
    person,
    syncs: openSyncs(person.zone, now, options.syncs),
    login,
    foreignTokens: options.foreignTokens ?? 'refused',
    recordings: recordings === undefined ? undefined : openRecordings(recordings),
    now,
  };
}

const toReply = ({ status, body, headers = {} }: Answer): Reply =>
  body === undefined ? emptyReply(status, { ...headers }) : jsonReply(status, body, { ...headers });

const PROFILE = '/userprofile-service/socialProfile';

function viewNow({ person, syncs, now }: Service): View {
  const nowMs = now();
  return viewAt(person, nowMs, syncs.lastBefore(nowMs));
}

/** Recordings know what they know; the person behind them is invented where it was not recorded. */
function answerRecorded(request: Request, service: Service, recordings: Recordings): Reply {
  const { path, query, headers, fields } = request;
  // A question of GraphQL is in the body, and recorded as if it were the query.
  const recorded = recordings.answer(path, path === GRAPHQL_PATH ? fields : query);
  if (recorded !== undefined) return recorded;
  const match = findPersonRoute(path);
  if (match !== undefined) {
    return toReply(match.answer({ view: viewNow(service), params: match.params, query, headers }));
  }
  return findDataRoute(path) === undefined ? toReply(NOT_FOUND) : emptyReply(204);
}

function answerData(request: Request, service: Service): Reply {
  const { path, query, headers, method, text } = request;
  const asksGraphql = path === GRAPHQL_PATH && method === 'POST';
  if (method !== 'GET' && !asksGraphql) {
    return jsonReply(405, { message: 'HTTP 405 Method Not Allowed', error: 'NotAllowedException' });
  }
  if (service.recordings !== undefined) return answerRecorded(request, service, service.recordings);
  if (asksGraphql) return toReply(answerGraphql(text, viewNow(service)));
  const match = findPersonRoute(path) ?? findDataRoute(path);
  if (match === undefined) return toReply(NOT_FOUND);
  return toReply(match.answer({ view: viewNow(service), params: match.params, query, headers }));
}

export function standingOf(request: Request, { login }: Service): Standing {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  return token === undefined ? 'inactive' : login.tokens.standingOf(token);
}

/** The other region may answer as if the person existed and had nothing. */
function answerForeigner(path: string, { foreignTokens }: Service): Reply {
  if (foreignTokens === 'refused') return toReply(INACTIVE_TOKEN);
  return toReply(path === PROFILE ? emptyProfile : FORBIDDEN);
}

/** The answer without any script: signing in, or data for whoever may have it. */
export function normalReply(request: Request, service: Service, standing: Standing): Reply {
  const login = answerLogin(request, service.login);
  if (login !== undefined) return login;
  switch (standing) {
    case 'inactive':
      return toReply(INACTIVE_TOKEN);
    case 'foreign':
      return answerForeigner(request.path, service);
    case 'personal':
      return isServedPersonally(request) ? answerData(request, service) : toReply(NOT_FOUND);
    case 'app':
      return answerData(request, service);
  }
}
