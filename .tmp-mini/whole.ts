import { readFileSync, readdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { execSync } from 'node:child_process';
import pg from 'pg';
import { createBus, createPolicies, defaultPolicySettings, runConnection } from '@on-the-way/core';
import { openInProcess } from '../host/src/isolate/process-connector.ts';
import { resolvePlugin } from '../host/src/isolate/resolve-plugin.ts';
import { createLog } from '../host/src/log.ts';
import { createRedactor } from '../host/src/redact.ts';
import { startEmbeddedPostgres } from '../host/src/storage/embedded/index.ts';
import { migrate } from '../host/src/storage/migrate.ts';
import sinkPostgres from '../plugins/postgres/src/index.ts';
const N = Number(process.argv[2] ?? 50000); const rounds = Number(process.argv[3] ?? 3);
const dir = mkdtempSync(join(tmpdir(), 'otw-mini-'));
const server = await startEmbeddedPostgres({ directory: join(dir, 'pg'), timeZone: 'Asia/Shanghai', durable: true });
const pm = Number(readFileSync(execSync(`find ${dir} -name postmaster.pid`, { encoding: 'utf8' }).trim(), 'utf8').split('\n')[0]);
const st = (p: string) => { try { const f = readFileSync(`/proc/${p}/stat`, 'utf8').split(') ')[1]!.split(' '); return [Number(f[1]), Number(f[11]) + Number(f[12]), Number(f[13]) + Number(f[14])]; } catch { return [0, 0, 0]; } };
function tree(pid: number): number { let t = 0; const m = st(String(pid)); t += m[1]! + m[2]!; for (const p of readdirSync('/proc')) if (/^\d+$/.test(p)) { const s = st(p); if (s[0] === pid) t += s[1]! + s[2]!; } return t * 10000; }
const signal = new AbortController().signal; const clock = { now: () => Date.now() };
try {
  await migrate(server.url, 'Asia/Shanghai');
  const sink = await sinkPostgres.open({ config: sinkPostgres.config.parse({ connectionString: server.url, timeZone: 'Asia/Shanghai' }), log: { debug() {}, info() {}, warn() {} } });
  const admin = new pg.Client(server.url); await admin.connect();
  console.log('base', Math.round(process.memoryUsage.rss()/1e6)); for (let r = 0; r < rounds; r++) {
    await admin.query('truncate raw.raw_event'); await admin.query('checkpoint');
    const bus = createBus(); const redactor = createRedactor();
    const log = createLog({ redactor, level: 'error', pretty: false, write: (t) => process.stderr.write(t) });
    let writes = 0; let rows = 0;
    const counted = { write: async (b: any, o: any) => { writes++; rows += b.length; return sink.write(b, o); } };
    const s0 = tree(pm), c0 = process.cpuUsage(), k0 = st(String(process.pid))[2]!, t0 = performance.now(); let opened = t0;
    const { status } = await runConnection({ runId: randomUUID(), connection: 'bench', open: async () => { const c = await openInProcess({ plugin: resolvePlugin(join(import.meta.dirname, '..', 'bench', 'constant-source.ts'), import.meta.dirname), privateFolder: tmpdir(), config: { records: N }, timeZone: 'Asia/Shanghai', tokens: { load: async () => undefined, save: async () => undefined, update: async () => undefined, lock: async () => async () => undefined }, log, redactor, signal }); opened = performance.now(); return c; }, sink: counted as any, ledger: { read: async () => [], record: async () => undefined } as any, policies: createPolicies(defaultPolicySettings, { connection: 'bench', bus, clock }), bus, clock, newId: randomUUID, requestsMade: () => 0, plan: { timeZone: 'Asia/Shanghai', windowDays: 1, backfillFrom: '2026-02-26', only: { from: '2026-02-26', to: '2026-02-27' } }, signal } as any);
    const t1 = performance.now(); const cc = process.cpuUsage(c0);
    await new Promise((x) => setTimeout(x, 300));
    const kids = (st(String(process.pid))[2]! - k0) * 10000;
    console.log(status, `${Math.round(N / (t1 - opened) * 1000)}/s (open ${Math.round(opened - t0)} ms) host ${((cc.user + cc.system) / N).toFixed(1)} child ${(kids / N).toFixed(1)} server ${((tree(pm) - s0) / N).toFixed(1)} writes ${writes} avg ${Math.round(rows / writes)} ${JSON.stringify(Object.fromEntries(Object.entries(process.memoryUsage()).map(([k,v])=>[k,Math.round(v/1e6)])))}`);
  }
  await sink.close(); await admin.end();
} finally { await server.stop(); rmSync(dir, { recursive: true, force: true }); }
