import { readFileSync, readdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID, createHash } from 'node:crypto';
import pg from 'pg'; import { execSync } from 'node:child_process';
import { startEmbeddedPostgres } from '../host/src/storage/embedded/index.ts';
import { migrate } from '../host/src/storage/migrate.ts';
import sinkPostgres from '../plugins/postgres/src/index.ts';
const N = Number(process.argv[2] ?? 50000), B = Number(process.argv[3] ?? 5000), C = Number(process.argv[4] ?? 2);
const dir = mkdtempSync(join(tmpdir(), 'otw-mini-'));
const server = await startEmbeddedPostgres({ directory: join(dir, 'pg'), timeZone: 'Asia/Shanghai', durable: true });
const pm = Number(readFileSync(execSync(`find ${dir} -name postmaster.pid`, {encoding:'utf8'}).trim(), 'utf8').split('\n')[0]);
function cpu(): number {
  const st = (p: string) => { try { const f = readFileSync(`/proc/${p}/stat`, 'utf8').split(') ')[1]!.split(' '); return [Number(f[1]), Number(f[11]) + Number(f[12]), Number(f[13]) + Number(f[14])]; } catch { return [0, 0, 0]; } };
  let t = 0; const m = st(String(pm)); t += m[1]! + m[2]!;
  for (const p of readdirSync('/proc')) if (/^\d+$/.test(p)) { const s = st(p); if (s[0] === pm) t += s[1]! + s[2]!; }
  return t * 10000;
}
try {
  await migrate(server.url, 'Asia/Shanghai');
  const sink = await sinkPostgres.open({ config: sinkPostgres.config.parse({ connectionString: server.url, timeZone: 'Asia/Shanghai' }), log: { debug() {}, info() {}, warn() {} } });
  const admin = new pg.Client(server.url); await admin.connect();
  const req = randomUUID();
  const make = (tag: string) => Array.from({ length: N }, (_, i) => {
    const payload = `{"connector":"bench","data":{"i":${i},"q":"a \\"quote\\" é","note":"${'x'.repeat(380)}","v":[1,2,3.5]},"fetched_at":"2026-02-26T00:00:00+08:00"}`;
    return { sourceId: `s${i % 20}`, externalId: `metric:${1700000000000 + i * 60000}:${tag}`, occurredAt: '2026-02-26T00:00:00+08:00', payload, payloadHash: createHash('sha256').update(payload).digest('hex'), requestId: req, notCompared: ['fetched_at'] };
  });
  const signal = new AbortController().signal;
  async function run(name: string, ev: any[], b = B, c = C) {
    await admin.query('checkpoint');
    let next = 0; const s0 = cpu(), c0 = process.cpuUsage(), t0 = performance.now();
    const sum = { written: 0, unchanged: 0, conflicts: 0 };
    await Promise.all(Array.from({ length: c }, async () => { for (;;) { const from = next; next += b; if (from >= ev.length) return; const r = await sink.write(ev.slice(from, from + b), { signal }); sum.written += r.written; sum.unchanged += r.unchanged; sum.conflicts += r.conflicts.length; } }));
    const w = performance.now() - t0, cc = process.cpuUsage(c0);
    console.log(name.padEnd(26), `${Math.round(ev.length / w * 1000)}/s client ${((cc.user + cc.system) / ev.length).toFixed(1)} server ${((cpu() - s0) / ev.length).toFixed(1)}`, JSON.stringify(sum));
  }
  await run('warm', make('w').slice(0, 5000));
  const a = make('a'); await run('fresh', a);
  await run('replay', a);
  await run('conflicts 5%', a.map((e, i) => i % 20 ? e : { ...e, payloadHash: 'x' + e.payloadHash.slice(1), payload: e.payload.replace('3.5', '3.6') }));
  await run('fresh2', make('b'));
  if (process.argv[5] === 'small') { const s = make('c').slice(0, 1000); await run('one by one', s, 1, 1); await run('groups of 64', make('d').slice(0, 6400), 64, 2); await run('groups of 256', make('e').slice(0, 12800), 256, 2); await run('groups 1000', make('f').slice(0, 20000), 1000, 2);}
  await sink.close(); await admin.end();
} finally { await server.stop(); rmSync(dir, { recursive: true, force: true }); }
