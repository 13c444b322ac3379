#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { startGarminSimulator } from './index.ts';
import type { GarminSimulatorOptions, MfaOptions, Region, Syncs } from './index.ts';
import { REGIONS } from './region.ts';

function readRegion(text: string): Region {
  const region = REGIONS.find((known) => known === text);
  if (region === undefined) throw new Error(`Expected --region to be ${REGIONS.join(' or ')}, got ${text}`);
  return region;
}

const METHODS = ['email', 'sms', 'app'] as const;

function readMfa(text: string): MfaOptions {
  const [written, code] = text.split(':');
  const method = METHODS.find((known) => known === written);
  if (method === undefined || !code)
    throw new Error('Expected --mfa like email:123456, sms:123456 or app:123456');
  return { method, code };
}

function readHours(text: string): Syncs {
  if (text === 'steady') return text;
  const hours = text === '' ? [] : text.split(',').map(Number);
  if (hours.some((hour) => !(hour >= 0 && hour < 24))) {
    throw new Error(`Expected --sync-hours like 7.5,21.5 or steady, got ${text}`);
  }
  return { hours };
}

function readOptions(args: readonly string[]): GarminSimulatorOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '0' },
      seed: { type: 'string' },
      'time-zone': { type: 'string' },
      recordings: { type: 'string' },
      region: { type: 'string' },
      mfa: { type: 'string' },
      'personal-api-key': { type: 'string' },
      'sync-hours': { type: 'string' },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`Expected --port to be a whole number from 0 to 65535, got ${values.port}`);
  }
  return {
    port,
    ...(values.seed === undefined ? {} : { seed: values.seed }),
    ...(values['time-zone'] === undefined ? {} : { timeZone: values['time-zone'] }),
    ...(values.recordings === undefined ? {} : { recordings: values.recordings }),
    ...(values.region === undefined ? {} : { region: readRegion(values.region) }),
    ...(values.mfa === undefined ? {} : { mfa: readMfa(values.mfa) }),
    ...(values['personal-api-key'] === undefined ? {} : { personalApiKey: values['personal-api-key'] }),
    ...(values['sync-hours'] === undefined ? {} : { syncs: readHours(values['sync-hours']) }),
  };
}

const options = readOptions(process.argv.slice(2));
const simulator = await startGarminSimulator(options);
console.log(`Garmin SIMULATOR at ${simulator.origin}
Nothing here comes from Garmin: ${
  options.recordings === undefined
    ? 'every value is invented.'
    : `data answers are recordings from ${options.recordings}, everything else is invented.`
}
Sign in as runner@example.com with the password "simulated". Ctrl-C stops it.`);
process.once('SIGINT', () => void simulator.close());
process.once('SIGTERM', () => void simulator.close());
