#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { startStravaSimulator } from './index.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    seed: { type: 'string', default: 'demo' },
    count: { type: 'string', default: '150' },
    bytes: { type: 'string', default: '0' },
  },
});
const { port, count, bytes } = values;
for (const [name, text] of Object.entries({ port, count, bytes })) {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`Expected --${name} to be a whole number, got ${text}`);
}
const simulator = await startStravaSimulator({
  port: Number(port),
  history: { seed: values.seed, count: Number(count), bytes: Number(bytes) },
});
const [account] = simulator.accounts;
console.log(`Strava SIMULATOR at ${simulator.origin}
Nothing here comes from Strava: every value is invented.
clientId ${simulator.clientId}, clientSecret ${simulator.clientSecret}, refreshToken ${account.refreshToken()}
Ctrl-C stops it.`);
process.once('SIGINT', () => void simulator.close());
process.once('SIGTERM', () => void simulator.close());
