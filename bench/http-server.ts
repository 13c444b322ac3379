// A host's API in a process of its own, for bench/http.ts: prints where it is, ends with its parent.
import { tmpdir } from 'node:os';
import { defaultHttp, defaultIngest, type HostConfig } from '../host/src/config/host-config.ts';
import { buildHost } from '../host/src/container.ts';
import { listen } from '../host/src/http/server.ts';
import { createLog } from '../host/src/log.ts';
import { createRedactor } from '../host/src/redact.ts';

const databaseUrl = process.argv[2] ?? '';
const config: HostConfig = {
  demo: false,
  role: 'api',
  origin: 'a bench',
  baseDir: import.meta.dirname,
  dataDir: tmpdir(),
  databaseUrl,
  timeZone: 'Asia/Shanghai',
  host: '127.0.0.1',
  port: 0,
  // One client posts more here than any should.
  http: { ...defaultHttp, ingestPerMinute: 100_000_000 },
  ingest: defaultIngest,
  minFreeMb: 0,
  requestFutureToleranceMinutes: 5,
  connections: [],
  sinks: {},
  warnings: [],
};
const redactor = createRedactor();
const log = createLog({ redactor, level: 'warn', pretty: true, write: (text) => process.stderr.write(text) });
const host = buildHost({ config, databaseUrl, clock: { now: () => Date.now() }, log, redactor });
const server = await listen(host.app, config);
process.stdout.write(`${server.url}\n`);
process.stdin.once('end', () => void server.close().then(() => host.close()));
process.stdin.resume();
