import { benchScheduler } from './try-scheduler.ts';
import { migrate } from '../host/src/storage/migrate.ts';
import { startEmbeddedPostgres } from '../host/src/storage/embedded/index.ts';
import { mkdtempSync, rmSync } from 'node:fs';
const dir = mkdtempSync('/tmp/h5q-');
const server = await startEmbeddedPostgres({ directory: dir+'/pg', timeZone: 'Asia/Shanghai', durable: true });
try { const b = performance.now(); await migrate(server.url, 'Asia/Shanghai'); await benchScheduler(server.url); console.log('seconds', (performance.now()-b)/1000); }
finally { await server.stop(); rmSync(dir, {recursive:true}); }
