import type { Role } from '../roles.ts';
import { ApiError } from './api-error.ts';
import type { Route } from './route.ts';

/** What a worker answers: whether it is well. */
const workerPaths = ['/v1/health/live', '/v1/health/ready', '/metrics'];

/** What asks a source while the caller waits, which a host of this role leaves to those that have sessions. */
const sourcePaths = ['/v1/connections/{name}/check'];

function refuse(): never {
  throw new ApiError(
    409,
    'WRONG_ROLE',
    'This host has the role api and reads no source: use otw check where the worker is',
  );
}

/** The routes that a host of this role serves, in their order. */
export function routesOfRole(role: Role, routes: readonly Route[]): readonly Route[] {
  switch (role) {
    case 'all':
      return routes;
    case 'worker':
      return routes.filter(({ path }) => workerPaths.includes(path));
    case 'api':
      return routes.map((route) => (sourcePaths.includes(route.path) ? { ...route, handle: refuse } : route));
  }
}
