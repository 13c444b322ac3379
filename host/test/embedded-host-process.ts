// A host of its own for the tests: starts Postgres, tells so on stdout, and stays until it is ended.
import { startEmbeddedPostgres } from '../src/storage/embedded/index.ts';

function tell(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

try {
  const server = await startEmbeddedPostgres({
    ...JSON.parse(process.argv[2] ?? '{}'),
    timeZone: 'UTC',
    log: (message) => tell({ event: 'log', message }),
  });
  // Before anybody is told: who hears that it is ready may end it in the same moment.
  process.once('SIGTERM', () => void server.stop().then(() => tell({ event: 'stopped' })));
  tell({ event: 'ready', url: server.url, pid: server.pid });
} catch (error) {
  const { code, message } = error as { code?: unknown; message?: unknown };
  tell({ event: 'error', code, message });
}
