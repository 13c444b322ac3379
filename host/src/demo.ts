import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { ConnectionConfig, HostConfig } from './config/host-config.ts';
import { exitCodes, HostError } from './host-error.ts';

/** The simulator as the host uses it; the package is an example and never imported by name at build time. */
interface Simulator {
  readonly origin: string;
  close(): Promise<void>;
}

interface SimulatorModule {
  startGarminSimulator(options: {
    readonly timeZone: string;
    readonly features: { readonly menstrual: boolean };
  }): Promise<Simulator>;
}

const packageName = '@on-the-way/garmin-simulator';
// Invented, and known to the simulator alone.
const account = { email: 'runner@example.com', password: 'simulated' };

function pointedAt(connection: ConnectionConfig, origin: string): ConnectionConfig {
  const origins = { apiOrigin: origin, ssoOrigin: origin, authOrigin: origin, personalOrigin: origin };
  return { ...connection, config: { ...connection.config, ...account, ...origins, minRequestIntervalMs: 0 } };
}

function locate(): string {
  try {
    return createRequire(import.meta.filename).resolve(packageName);
  } catch (cause) {
    throw new HostError(
      exitCodes.badConfig,
      'Expected GARMIN_EMAIL or a configuration file, found neither, and the simulator of the demo is not installed: ' +
        'set GARMIN_EMAIL=me@example.com, or run the demo from a clone of the repository',
      { cause },
    );
  }
}

/** Starts the Garmin simulator in this process and points the demo's connection at it. */
export async function startDemo(config: HostConfig): Promise<{ config: HostConfig; close(): Promise<void> }> {
  const module = (await import(pathToFileURL(locate()).href)) as SimulatorModule;
  const timeZone = config.connections[0]?.timeZone ?? 'Asia/Shanghai';
  const simulator = await module.startGarminSimulator({ timeZone, features: { menstrual: true } });
  const connections = config.connections.map((connection) => pointedAt(connection, simulator.origin));
  return { config: { ...config, connections }, close: () => simulator.close() };
}
