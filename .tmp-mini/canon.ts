import { canonicalJson } from '../core/src/index.ts';
const N = 20000;
const mk = (i:number) => JSON.parse(JSON.stringify({ zeta: i, kind: 'metric "q"', name: 'é', values: { hr: 60 + (i % 40), spo2: 97.5, steps: i * 7, nested: { b: [1, 2, 3], a: null, c: true } }, startTimeGMT: '2026-02-26T00:00:00.0', note: 'x'.repeat(290), id: `${1700000000000 + i}`, duration: i / 3 }));
const parsed = Array.from({length:N},(_,i)=>mk(i));
const big = JSON.parse(JSON.stringify({ startTime: 'x', heartRateValues: Array.from({ length: 1500 }, (_, i) => [1700000000000 + i * 60000, 60 + (i % 50)]), descr: Array.from({length:20},(_,i)=>({key:'k'+i,index:i})) }));
interface Names { keys: string[]; sorted: string[]; isSorted: boolean; plain: boolean }
const idx = /^(?:0|[1-9]\d*)$/;
function namesOf(o: object, depth: number, known: (Names|undefined)[]): Names {
  const keys = Object.keys(o); const last = known[depth];
  if (last && keys.length === last.keys.length) { let same = true; for (let i = 0; i < keys.length; i++) if (keys[i] !== last.keys[i]) { same = false; break; } if (same) return last; }
  const sorted = keys.toSorted();
  return known[depth] = { keys, sorted, isSorted: keys.every((k, i) => k === sorted[i]), plain: !keys.some((k) => k === '__proto__' || idx.test(k)) };
}
function arr(v: any, depth: number, known: any): any {
  if (typeof v !== 'object') { if (typeof v === 'number' ? Number.isFinite(v) : typeof v === 'string' || typeof v === 'boolean') return v; throw new Error('x'); }
  if (v === null) return v;
  if (depth > 64) throw new Error();
  if (Array.isArray(v)) {
    let out: any[] | undefined;
    for (let i = 0; i < v.length; i++) { const a = v[i]; const b = arr(a ?? null, depth + 1, known); if (b !== a && !out) out = v.slice(0, i); if (out) out.push(b); }
    return out ?? v;
  }
  const p = Object.getPrototypeOf(v); if (p !== Object.prototype && p !== null) throw new Error();
  const n = namesOf(v, depth, known);
  if (!n.plain) throw new Error('fallback');
  let out: any = n.isSorted ? undefined : {};
  for (let i = 0; i < n.sorted.length; i++) { const k = n.sorted[i]!; const a = v[k]; const b = a === undefined ? a : arr(a, depth + 1, known); if (out === undefined && b !== a) { out = {}; for (let j = 0; j < i; j++) out[n.sorted[j]!] = v[n.sorted[j]!]; } if (out) out[k] = b; }
  return out ?? v;
}
const fast = (v: any) => JSON.stringify(arr(v, 1, []));
function t(name: string, n: number, f: (i: number) => unknown) { for (let r = 0; r < 4; r++) { const c = process.cpuUsage(); for (let i = 0; i < n; i++) f(i); const d = process.cpuUsage(c); if (r === 3) console.log(name.padEnd(20), ((d.user + d.system) / n).toFixed(2)); } }
if (fast(parsed[3]) !== canonicalJson(parsed[3])) console.log('DIFF');
t('old', N, (i) => canonicalJson(parsed[i]!).length); t('fast', N, (i) => fast(parsed[i])); t('stringify', N, (i) => JSON.stringify(parsed[i]));
t('old big', 1000, () => canonicalJson(big)); t('fast big', 1000, () => fast(big)); t('stringify big', 1000, () => JSON.stringify(big));
