/**
 * For configuration files.
 *
 * @packageDocumentation
 */
import type { FileConfig } from './config/file-schema.ts';

export type { FileConfig };
export { env } from './config/read-file.ts';

/** Types a configuration file; give it what otw.config.ts exports as default. */
export function defineConfig(config: FileConfig): FileConfig {
  return config;
}
