#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { startGarminSimulator } from './index.ts';
import type { GarminSimulatorOptions } from './index.ts';

function readOptions(args: readonly string[]): GarminSimulatorOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '0' },
      seed: { type: 'string' },
      'time-zone': { type: 'string' },
      recordings: { type: 'string' },
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
