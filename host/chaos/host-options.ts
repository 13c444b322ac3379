/** What a host process of the suite is told, in the variable {@link optionsVariable}. */
export interface HostProcessOptions {
  readonly databaseUrl: string;
  readonly origin: string;
  readonly folder: string;
  readonly connections: readonly string[];
  readonly moments: boolean;
  readonly intervalSeconds: number;
  readonly backfillDays: number;
  /** How far the clock of this host is off, milliseconds. */
  readonly clockOffsetMs: number;
  /** Where the process ends itself as kill -9 would: the n-th time it gets there, counted from 1. */
  readonly crashAt?: { readonly point: string; readonly n: number };
}

/** Read by host-process.ts alone. */
export const optionsVariable = 'CHAOS_HOST_OPTIONS';

/** Commands a host process takes, a line of JSON each, on its standard input. */
export type HostCommand =
  | { readonly do: 'stop' }
  /** The event loop does nothing else for so long. */
  | { readonly do: 'block'; readonly ms: number }
  | { readonly do: 'usage' }
  | { readonly do: 'metrics' }
  /** A run of these days of the connection, as a person asks for one. */
  | { readonly do: 'ask'; readonly connection: string; readonly from: string; readonly to: string };

/** Whose account a connection reads. */
export function accountOf(connection: string): string {
  return `${connection}@verifiable.example`;
}
