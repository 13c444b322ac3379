import { ConnectorError } from '@on-the-way/sdk';
import type { Verdict } from './verdict.ts';

const checkUrl = 'check that `url` is the ingest API of the other host';
const between = 'Something between the two hosts, such as a proxy, answers';

/** What is to be done where no later try can help. */
const remedies: Readonly<Record<number, string>> = {
  401: `${between} and wants credentials: let the worker pass it`,
  403: `${between} and lets nobody pass: let the worker pass it`,
  404: `Nothing is served there: ${checkUrl}, such as http://HOST:8000/v1/ingest/events`,
  405: `Nothing takes a POST there: ${checkUrl}, such as http://HOST:8000/v1/ingest/events`,
  407: 'A proxy wants credentials: let the worker pass it, or go around it',
  413: `${between} and finds it too long: let bodies of 2 MB pass, such as by client_max_body_size`,
  421: `${between} and serves no such name: ${checkUrl}`,
};

function redirected({ location }: Verdict): string {
  return location === undefined
    ? `It is a redirect, and a key must not follow one: ${checkUrl}`
    : `It is a redirect to ${location}, and a key must not follow one: give \`url\` the address that is meant`;
}

/**
 * The error that an answer is which the ingest API did not give, such as the page of a proxy: none says anything of an event,
 * so that it is the settings or the moment that is wrong.
 */
export function answerOfAnother(verdict: Verdict, what: string): ConnectorError {
  const { status, from, retryAfterMs } = verdict;
  const found = `Expected the other host to take ${what}, but ${from} answered HTTP ${status}`;
  const remedy = status >= 300 && status < 400 ? redirected(verdict) : remedies[status];
  if (remedy !== undefined) return new ConnectorError('config', `${found}. ${remedy}`, { status });
  const message = `${found} and nothing that the ingest API says. It is tried again; if it stays so, ${checkUrl}, and look at what stands between`;
  return new ConnectorError('transient', message, {
    status,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
