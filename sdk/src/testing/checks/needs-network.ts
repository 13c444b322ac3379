import { Skip } from '../check.ts';
import { startPluginProcess, type PluginProcess } from '../plugin-process.ts';
import type { OpenedThere } from '../process-protocol.ts';
import { windowsFor } from '../records.ts';
import type { ConnectorSubject } from '../subject.ts';

/** Reads everything there is; what goes wrong is told by checks of reading. */
async function readEverything(plugin: PluginProcess, subject: ConnectorSubject): Promise<void> {
  const { module, config = {} } = subject;
  const { datasets } = await plugin.call<OpenedThere>({ verb: 'open', module, config, tokens: {} });
  for (const dataset of datasets) {
    const { name, granularity, notSupported } = dataset;
    if (notSupported !== undefined) continue;
    const windows =
      granularity === 'cursor' ? [{}] : windowsFor(dataset, subject).map((window) => ({ window }));
    for (const asked of windows) await plugin.call({ verb: 'drain', dataset: name, ...asked });
  }
}

/** Whether the plugin connects to anything from its login to its last record. */
async function connects(subject: ConnectorSubject): Promise<boolean> {
  const plugin = startPluginProcess();
  try {
    const connecting = plugin.connecting.then(() => true);
    const silent = readEverything(plugin, subject).then(
      () => false,
      () => false,
    );
    return await Promise.race([connecting, silent]);
  } finally {
    await plugin.kill();
  }
}

// The checks that need a network ask one after the other, and a plugin does not change in between.
const known = new WeakMap<ConnectorSubject, Promise<boolean>>();

/**
 * For checks of what goes wrong at a source. Without `open` of the subject the plugin is watched while it is read: where it
 * connects to nothing the check says nothing of it.
 *
 * @throws Skip without `open`; undeclared where the plugin does connect.
 */
export async function needsNetwork(subject: ConnectorSubject): Promise<void> {
  if (subject.open) return;
  const asked = known.get(subject) ?? connects(subject);
  known.set(subject, asked);
  if (!(await asked)) throw new Skip('the plugin asks nothing of a network: its subject has no open', true);
  throw new Skip(
    'the plugin connects to something while it is read, and its subject has no open: put a double of the source behind the server that open is given, or give a reason in skips',
  );
}
