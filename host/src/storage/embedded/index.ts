export { embeddedUrl, readEmbeddedPassword, startEmbeddedPostgres } from './start.ts';
export type { EmbeddedPostgres, EmbeddedPostgresOptions } from './start.ts';
export type { Exit } from './server-process.ts';
