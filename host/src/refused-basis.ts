import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionConfig } from './config/host-config.ts';
import { HostError } from './host-error.ts';
import { resolvePlugin } from './isolate/resolve-plugin.ts';
import type { SessionStore } from './storage/session-store.ts';

/** What tells whether a sign-in that was refused may go otherwise by now. */
export interface BasisParts {
  readonly baseDir: string;
  readonly pluginsDir?: string;
  readonly sessions: Pick<SessionStore, 'digest'>;
}

function contentOf(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    // What cannot be read is found out by who needs it.
    return '';
  }
}

function tokenFilesIn(folder: string): readonly string[] {
  try {
    // Not when they were written: a copy on another machine says the same.
    const files = readdirSync(folder, { withFileTypes: true }).filter((item) => item.isFile());
    const names = files.map(({ name }) => name).filter((name) => name.endsWith('.json'));
    return names.toSorted().map((name) => `${name} ${contentOf(join(folder, name))}`);
  } catch {
    // There is none, which is the usual case.
    return [];
  }
}

/**
 * A digest of what a sign-in is made with: plugin, configuration, token files. The same on all hosts that have the same
 * of these; keyed, since the configuration may hold a password. Undefined without the session key.
 */
export async function refusedBasisOf(
  { baseDir, pluginsDir, sessions }: BasisParts,
  { plugin, config, tokenDir }: Pick<ConnectionConfig, 'plugin' | 'config' | 'tokenDir'>,
): Promise<string | undefined> {
  try {
    const { path, folder } = resolvePlugin(plugin, baseDir, pluginsDir);
    const code = [contentOf(path), contentOf(join(folder, 'package.json'))];
    return await sessions.digest(JSON.stringify([code, config, tokenFilesIn(tokenDir)]));
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
}
