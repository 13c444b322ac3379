import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';
import type { HttpConfig } from '../config/host-config.ts';
import type { Proxies } from './proxies.ts';

/** What every answer has, whoever gives it; taken from helmet once, since none of it changes. */
export function fixedHeaders(): Record<string, string> {
  const set: Record<string, string> = {
    // Answers are a person's data: no browser and no proxy keeps them.
    'Cache-Control': 'no-store',
  };
  const collector = {
    setHeader: (name: string, value: string) => (set[name] = value),
    removeHeader: () => undefined,
  };
  const protect = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        objectSrc: ["'none'"],
      },
    },
    // For answers that came over TLS only.
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
    // Of browsers that are gone.
    xDownloadOptions: false,
    xXssProtection: false,
    xDnsPrefetchControl: false,
    xPermittedCrossDomainPolicies: false,
    originAgentCluster: false,
  });
  protect({} as IncomingMessage, collector as unknown as ServerResponse, () => undefined);
  return set;
}

/** The headers of every answer. */
export function safeHeaders(
  { trustedProxies }: HttpConfig,
  proxies: Proxies,
): (request: IncomingMessage, response: ServerResponse) => void {
  const fixed = Object.entries(fixedHeaders());
  // The host speaks no TLS by itself: only a proxy can say that there was some.
  const behindProxy = trustedProxies.length > 0;
  return (request, response) => {
    for (const [name, value] of fixed) response.setHeader(name, value);
    if (behindProxy && proxies.isSecure(request))
      response.setHeader('Strict-Transport-Security', 'max-age=31536000');
  };
}

const preflight: Readonly<Record<string, string>> = {
  'Access-Control-Allow-Methods': 'GET, POST, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Last-Event-ID',
  'Access-Control-Max-Age': '600',
};

/**
 * Lets the pages of these origins read answers. They send a key themselves: cookies are no part of this. True when the
 * request was the question whether they may, and is answered.
 */
export function crossOrigin({
  corsOrigins,
}: HttpConfig): (request: IncomingMessage, response: ServerResponse) => boolean {
  if (corsOrigins.length === 0) return () => false;
  return (request, response) => {
    response.setHeader('Vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || !corsOrigins.includes(origin)) return false;
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After, X-Request-Id');
    if (request.method !== 'OPTIONS') return false;
    for (const [name, value] of Object.entries(preflight)) response.setHeader(name, value);
    response.statusCode = 204;
    response.end();
    return true;
  };
}
