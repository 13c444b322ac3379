// The one place where the bench makes events as a run does.
import { envelopeOf, type EnvelopeIdentity } from '@on-the-way/core';
import type { RawEvent } from '@on-the-way/sdk';
import type { WireRecord } from './workload.ts';

const read = { at: Date.UTC(2026, 1, 26), requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f' };
const identities = new Map<string, EnvelopeIdentity>();

function identityOf(source: string, service: string): EnvelopeIdentity {
  const key = `${source} ${service}`;
  const known = identities.get(key);
  if (known) return known;
  const fixed = { connector: 'bench', version: '1', accountRef: '0123456789ab', timeZone: 'Asia/Shanghai' };
  const identity = { ...fixed, service, source };
  identities.set(key, identity);
  return identity;
}

/** A line off the wire as the event that is stored: parsed, in its envelope, with its hash. */
export function eventOf(line: string): RawEvent {
  const { source, by, dataset, day, key, at, data } = JSON.parse(line) as WireRecord;
  const record = { day, key, occurredAt: at, data: data as Parameters<typeof envelopeOf>[2]['data'] };
  return envelopeOf(identityOf(source, by), dataset, record, read);
}
