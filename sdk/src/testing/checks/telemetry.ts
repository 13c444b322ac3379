import { connectorOpened } from '../open-connector.ts';
import { isOfDays } from '../records.ts';
import { expectThat, pluginCheck, Skip, type Check } from '../check.ts';
import { isConnectorSubject, type ConnectorSubject, type SinkSubject } from '../subject.ts';
import type { HostRunRequest, SuiteHost } from '../suite-host.ts';
import { withSource } from '../with-source.ts';

/** The sum of a counter over the lines that carry these labels. */
function sumOf(metrics: string, name: string, labels: readonly string[]): number {
  return metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const outcomes = ['written', 'unchanged', 'conflict', 'set_aside'];

/** Runs twice, since the second run finds what the first one stored. */
async function checkSums(host: SuiteHost, request: HostRunRequest): Promise<void> {
  const connection = `connection="${request.connection}"`;
  let before = 0;
  for (let run = 0; run < 2; run += 1) {
    const { metrics, status, error = '' } = await host.run(request);
    expectThat(status === 'succeeded', () => `Expected the run to succeed, and it ended ${status}: ${error}`);
    const read = sumOf(metrics, 'otw_events_read_total', [connection]);
    const ended = outcomes.map((outcome) =>
      sumOf(metrics, 'otw_events_total', [connection, `outcome="${outcome}"`]),
    );
    const accounted = ended.reduce((sum, count) => sum + count, 0);
    expectThat(read > before, () => `Expected the run to read events, and the metrics say ${read - before}`);
    expectThat(
      read === accounted,
      () =>
        `Expected as many events read as ended one way or the other, got ${read} and ${outcomes.map((outcome, index) => `${ended[index]} ${outcome}`).join(', ')}`,
    );
    before = read;
  }
}

function hostOf({ host }: ConnectorSubject | SinkSubject): SuiteHost {
  if (!host) throw new Skip('the subject has no host: otw plugin test brings one', true);
  return host;
}

const timeZone = 'Asia/Shanghai';

function checkConnector(subject: ConnectorSubject): Promise<void> {
  const host = hostOf(subject);
  const connection = `${subject.plugin.name.replaceAll('_', '-')}-counted`;
  return withSource(subject, async (context) => {
    const { config, tokens } = context.source;
    const opened = await connectorOpened(subject, context);
    await opened.close();
    await checkSums(host, {
      connection,
      module: subject.module,
      config,
      ...(tokens && { tokens }),
      timeZone: subject.timeZone ?? timeZone,
      // Cursors and snapshots are read today.
      ...(opened.datasets.some(isOfDays) && { window: subject.window }),
    });
  });
}

async function checkSink(subject: SinkSubject): Promise<void> {
  const host = hostOf(subject);
  const target = await subject.open();
  try {
    await checkSums(host, {
      connection: `sink-${subject.plugin.name.replaceAll('_', '-')}-counted`,
      ...(subject.connector ?? { module: new URL(sampleConnector, import.meta.url).href, config: {} }),
      sink: { module: subject.module, config: target.config },
      timeZone,
      window: { from: '2026-02-26', to: '2026-03-01' },
    });
  } finally {
    await target.close?.();
  }
}

// Beside this file's folder, in the source as in what is built.
const sampleConnector = import.meta.filename.endsWith('.ts')
  ? '../sample-connector.ts'
  : '../sample-connector.js';

/** 45: what is counted. */
export const telemetryChecks: readonly Check[] = [
  pluginCheck(
    {
      id: 45,
      topic: 'Telemetry',
      title: 'in a real host as many events are read as are written, unchanged, in conflict or set aside',
      why: 'What is in no count is lost, and nobody would know.',
    },
    (subject) => (isConnectorSubject(subject) ? checkConnector(subject) : checkSink(subject)),
  ),
];
