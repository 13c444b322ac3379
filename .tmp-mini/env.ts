import { envelopeOf, canonicalJson, sha256, parseStrictJson } from '../core/src/index.ts';
import { hash, createHash } from 'node:crypto';
import { rawJson } from '../sdk/src/index.ts';
const identity = { connector: 'bench', service: 'bench', source: 'bench', version: '1', accountRef: '0123456789ab', timeZone: 'Asia/Shanghai' };
const N = 50000;
const lines = Array.from({ length: N }, (_, i) => JSON.stringify({ zeta: i, kind: 'metric "q"', name: 'é', values: { hr: 60 + (i % 40), spo2: 97.5, steps: i * 7, nested: { b: [1, 2, 3], a: null, c: true } }, startTimeGMT: '2026-02-26T00:00:00.0', note: 'x'.repeat(290), id: `${1700000000000 + i}`, duration: i / 3 }));
console.log(lines[5]!.length);
const at = Date.now();
function t(name: string, f: (l: string, i: number) => unknown) {
  for (let r = 0; r < 3; r++) { const c = process.cpuUsage(); for (let i = 0; i < N; i++) f(lines[i]!, i); const d = process.cpuUsage(c); if (r === 2) console.log(name.padEnd(30), ((d.user + d.system) / N).toFixed(2)); }
}
const parsed = lines.map((l) => JSON.parse(l));
t('JSON.parse', (l) => JSON.parse(l));
t('stringify', (_, i) => JSON.stringify(parsed[i]));
t('canonicalJson', (_, i) => canonicalJson(parsed[i]));
t('canonicalJson raw', (l) => canonicalJson(rawJson(l)));
const rec = { requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f', at };
t('envelopeOf parsed', (_, i) => envelopeOf(identity, 'numbers', { day: '2026-02-26', data: parsed[i], method: 'x' }, rec));
t('envelopeOf raw', (l) => envelopeOf(identity, 'numbers', { day: '2026-02-26', data: rawJson(l), method: 'x' }, rec));
t('sha256 hex', (l) => sha256(l));
t('crypto.hash buffer', (l) => hash('sha256', l, 'buffer'));
t('strict', (l) => parseStrictJson(l, { maxDepth: 64 }));
