export { embeddedUrl, startEmbeddedPostgres } from './start.ts';
