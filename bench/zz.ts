import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../host/src/storage/embedded/index.ts';
import { migrate } from '../host/src/storage/migrate.ts';
import { benchPlanner } from './planner.ts';
const directory = mkdtempSync(join(tmpdir(), 'otw-bench-'));
const server = await startEmbeddedPostgres({ directory: join(directory, 'postgres'), timeZone: 'Asia/Shanghai', durable: true });
try { const t=Date.now(); await benchPlanner(server.url); console.log('took', Date.now()-t); } finally { await server.stop(); rmSync(directory, { recursive: true, force: true }); }
