import { openConnector, createRequestMeter } from '../core/src/index.ts';
import { encodeBatch } from '../host/src/isolate/batch-frame.ts';
import plugin from '../bench/constant-source.ts';
const N = 200000;
const log = { debug() {}, info() {}, warn() {} };
const connector = await openConnector({ connector: plugin, config: { records: N }, timeZone: 'Asia/Shanghai', tokens: {} as any, meter: createRequestMeter(undefined, () => {}), log, clock: { now: () => Date.now() }, signal: new AbortController().signal } as any);
let bytes = 0; const c = process.cpuUsage();
for await (const batch of connector.fetch({ dataset: 'numbers', window: { from: '2026-02-26', to: '2026-02-27' }, requestId: 'r' }, new AbortController().signal)) bytes += encodeBatch({ type: 'batch', id: 1, ...batch } as any).length;
const d = process.cpuUsage(c); console.log(bytes / N, ((d.user + d.system) / N).toFixed(2));
