import { createHash, randomBytes, randomUUID } from 'node:crypto';

/** An event of 576 bytes as it is posted, and as a row of raw.raw_event. */
export interface BenchEvent {
  readonly body: string;
  readonly row: readonly string[];
}

const bodyBytes = 576;
const occurredAt = '2026-02-26T00:00:00+08:00';

/** Makes events with keys that no other process makes. */
export function createEventMaker(): () => BenchEvent {
  const process = randomBytes(4).toString('hex');
  let count = 0;
  const made = (note: string): BenchEvent => {
    const externalId = `garmin::0123456789ab::sleep::2026-02-26::${process}${String(count).padStart(8, '0')}`;
    const payload = {
      connector: 'garmin_connect',
      connector_version: '1',
      account_ref: '0123456789ab',
      metric_type: 'sleep',
      metric_date: '2026-02-26',
      timezone: 'Asia/Shanghai',
      fetched_at: '2026-02-26T10:10:06+08:00',
      data: { count, rest: 61.25, note },
    };
    const text = JSON.stringify(payload);
    const event = {
      source_id: 'garmin_connect_health',
      external_id: externalId,
      occurred_at: occurredAt,
      payload,
    };
    const hash = createHash('sha256').update(text).digest('hex');
    return {
      body: JSON.stringify(event),
      row: ['garmin_connect_health', externalId, occurredAt, text, hash, randomUUID()],
    };
  };
  return () => {
    count += 1;
    const rest = bodyBytes - Buffer.byteLength(made('').body);
    return made('x'.repeat(Math.max(0, rest)));
  };
}
