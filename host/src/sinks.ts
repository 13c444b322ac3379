import { parsePluginConfig } from '@on-the-way/core';
import type { Sink, SinkWriter } from '@on-the-way/sdk';
import type { HostConfig, SinkConfig } from './config/host-config.ts';
import { exitCodes, HostError } from './host-error.ts';
import { resolvePlugin } from './isolate/resolve-plugin.ts';
import type { HostLog } from './log.ts';

/** Opens sinks when they are first wanted, each once. */
export interface Sinks {
  open(name: string): Promise<SinkWriter>;
  /** The Postgres sink on the host's own database, whatever sinks are configured. */
  own(): Promise<SinkWriter>;
  close(): Promise<void>;
}

async function openSink(
  { plugin: name, config }: SinkConfig,
  host: { baseDir: string; databaseUrl: string; timeZone: string; log: HostLog },
): Promise<SinkWriter> {
  const { baseDir, databaseUrl, timeZone, log } = host;
  const { url } = resolvePlugin(name, baseDir);
  const { default: sink } = (await import(url)) as { default?: Sink };
  if (sink?.kind !== 'sink') {
    throw new HostError(
      exitCodes.badConfig,
      `sinks: expected ${name} to export default defineSink({…}), found something else`,
    );
  }
  // The host's own database unless the sink was given another.
  const wanted = sink.name === 'postgres' ? { connectionString: databaseUrl, timeZone, ...config } : config;
  return sink.open({
    config: parsePluginConfig(sink, wanted),
    log: {
      debug: (message, fields) => log.debug({ sink: sink.name, ...fields }, message),
      info: (message, fields) => log.info({ sink: sink.name, ...fields }, message),
      warn: (message, fields) => log.warn({ sink: sink.name, ...fields }, message),
    },
  });
}

// No sink of a configuration can have this name.
const ownName = '';
const ownSink: SinkConfig = { plugin: '@on-the-way/sink-postgres', config: {} };

/** Makes the set of sinks a configuration names. */
export function createSinks(config: HostConfig, databaseUrl: string, log: HostLog): Sinks {
  const opened = new Map<string, Promise<SinkWriter>>();
  const { baseDir, timeZone } = config;
  function openOnce(name: string, sink: SinkConfig): Promise<SinkWriter> {
    const known = opened.get(name);
    if (known) return known;
    const opening = openSink(sink, { baseDir, databaseUrl, timeZone, log });
    opened.set(name, opening);
    // A database that was away at first is asked again by the next run.
    opening.catch(() => opened.delete(name));
    return opening;
  }
  return {
    open(name) {
      const sink = config.sinks[name];
      if (sink) return openOnce(name, sink);
      return Promise.reject(
        new HostError(exitCodes.badConfig, `sinks: expected one called ${name}, found none`),
      );
    },
    own: () => openOnce(ownName, ownSink),
    async close() {
      await Promise.allSettled([...opened.values()].map(async (sink) => (await sink).close()));
    },
  };
}
