import { z } from 'zod';
import type { HostRegistry } from '../storage/hosts.ts';
import type { Stamp } from './app-parts.ts';
import { defineRoute, type Route } from './route.ts';
import { ok, timestamp } from './shapes.ts';

const hostShape = z.strictObject({
  host_id: z.uuid(),
  name: z.string(),
  pid: z.int(),
  role: z.string(),
  version: z.string(),
  started_at: timestamp,
  seen_at: timestamp,
  connections: z.int(),
});

/** The processes of this database that are alive, and how many connections each has. */
export function hostRoutes({ hosts }: { readonly hosts: HostRegistry }, stamp: Stamp): readonly Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/hosts',
      summary: 'The processes of this database that are alive, and how many connections each has',
      scope: 'read',
      answers: {
        200: { description: 'All of them, the oldest first', schema: ok({ items: z.array(hostShape) }) },
      },
      async handle() {
        const items = (await hosts.list()).map((host) => shownHost(host, stamp));
        return { body: { status: 'ok', items } };
      },
    }),
  ];
}

/** A host as the API and `otw status --json` show it. */
export function shownHost(host: Awaited<ReturnType<HostRegistry['list']>>[number], stamp: Stamp) {
  const { hostId, name, pid, role, version, startedAt, seenAt, connections } = host;
  return {
    host_id: hostId,
    name,
    pid,
    role,
    version,
    started_at: stamp(startedAt),
    seen_at: stamp(seenAt),
    connections,
  };
}
