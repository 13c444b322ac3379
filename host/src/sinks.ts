import { parsePluginConfig } from '@on-the-way/core';
import type { SinkWriter } from '@on-the-way/sdk';
import type { HostConfig, SinkConfig } from './config/host-config.ts';
import { exitCodes, HostError } from './host-error.ts';
import { loadPlugin } from './isolate/load-plugin.ts';
import { resolvePlugin } from './isolate/resolve-plugin.ts';
import type { HostLog } from './log.ts';
import { checkSdk } from './plugin-sdk.ts';

/** Opens sinks when they are first wanted, each once. */
export interface Sinks {
  open(name: string): Promise<SinkWriter>;
  /** The Postgres sink on the host's own database, whatever sinks are configured. */
  own(): Promise<SinkWriter>;
  /** Closes those that were opened; what is wanted later is opened anew. */
  close(): Promise<void>;
}

// No sink of a configuration can have this name.
const ownName = '';
const ownSink: SinkConfig = { plugin: '@on-the-way/sink-postgres', config: {} };

async function openSink(
  { plugin: name, config }: SinkConfig,
  host: Pick<HostConfig, 'baseDir' | 'pluginsDir' | 'timeZone'> & { databaseUrl: string; log: HostLog },
): Promise<SinkWriter> {
  const { baseDir, pluginsDir, databaseUrl, timeZone, log } = host;
  const plugin = resolvePlugin(name, baseDir, pluginsDir);
  checkSdk(plugin);
  const sink = await loadPlugin(plugin.url, 'sink');
  // The host's own database, with its password, for the sink that the host itself stores with; not for another of that name.
  const isOwn = plugin.path === resolvePlugin(ownSink.plugin, baseDir, pluginsDir).path;
  const wanted = isOwn ? { connectionString: databaseUrl, timeZone, ...config } : config;
  return sink.open({
    config: parsePluginConfig(sink, wanted),
    log: {
      debug: (message, fields) => log.debug({ sink: sink.name, ...fields }, message),
      info: (message, fields) => log.info({ sink: sink.name, ...fields }, message),
      warn: (message, fields) => log.warn({ sink: sink.name, ...fields }, message),
    },
  });
}

/** Makes the set of sinks a configuration names. */
export function createSinks(config: HostConfig, databaseUrl: string, log: HostLog): Sinks {
  const opened = new Map<string, Promise<SinkWriter>>();
  const { baseDir, pluginsDir, timeZone } = config;
  const places = { baseDir, timeZone, ...(pluginsDir !== undefined && { pluginsDir }) };
  function openOnce(name: string, sink: SinkConfig): Promise<SinkWriter> {
    const known = opened.get(name);
    if (known) return known;
    const opening = openSink(sink, { ...places, databaseUrl, log });
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
      const open = [...opened.values()];
      opened.clear();
      await Promise.allSettled(open.map(async (sink) => (await sink).close()));
    },
  };
}
