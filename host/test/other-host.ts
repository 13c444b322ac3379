import { createClaimStore, type ClaimStore } from '../src/storage/claims.ts';
import { openDatabase } from '../src/storage/database.ts';
import { createHostRegistry, type HostRegistry } from '../src/storage/hosts.ts';

/** Another host of the same database, as far as others see it: it joins, and can have connections. */
export interface OtherHost {
  readonly hosts: HostRegistry;
  readonly claims: ClaimStore;
  close(): Promise<void>;
}

/** Makes one; close it at the end. */
export function createOtherHost({ databaseUrl }: { readonly databaseUrl: string }): OtherHost {
  const timeZone = 'Asia/Shanghai';
  const database = openDatabase(databaseUrl, timeZone);
  const hosts = createHostRegistry({
    database,
    databaseUrl,
    timeZone,
    role: 'worker',
    version: '0.0.0',
    warn: () => undefined,
  });
  return {
    hosts,
    claims: createClaimStore(database, hosts),
    async close() {
      await hosts.leave();
      await database.destroy();
    },
  };
}
