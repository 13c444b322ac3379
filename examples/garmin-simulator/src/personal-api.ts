import type { Request } from './http.ts';

/** The services the Personal API has; whatever else the app may read is unknown to it. */
const SERVICES = new Set(
  `activity activitylist biometric fitnessage goal hrv nutrition periodichealth sleep usersummary userprofile
  weight wellness wellnessactivity`
    .split(/\s+/)
    .map((name) => `${name}-service`),
);

/** May a bearer of the Personal API read this? It only reads, and not all. */
export function isServedPersonally({ method, path }: Pick<Request, 'method' | 'path'>): boolean {
  return method === 'GET' && SERVICES.has(path.split('/')[1] ?? '');
}
