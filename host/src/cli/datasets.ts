import { exitCodes } from '../host-error.ts';
import { datasetsOf, type DatasetJson } from '../seen-datasets.ts';
import { chosenConnection, withContext, type GlobalOptions } from './context.ts';
import { formatTable, print, printJson, say, simulatedNote } from './output.ts';

function supportOf({ absent, last_outcome: outcome, last_day: day }: DatasetJson): string {
  if (absent === null) return outcome === null ? 'not asked yet' : `${outcome} on ${day}`;
  const since = absent.since === null ? 'not supported' : `not there since ${absent.since}`;
  return absent.asked_again_at === null
    ? since
    : `${since}, asked again on ${absent.asked_again_at.slice(0, 10)}`;
}

function show(items: readonly DatasetJson[]): void {
  const rows = items.map((item) => [
    item.dataset,
    item.granularity === 'range' ? `range of ${item.span_days} days` : item.granularity,
    supportOf(item),
    item.absent?.reason ?? item.description,
  ]);
  print(formatTable(['dataset', 'asked by', 'as last seen', 'about'], rows));
}

/** `otw datasets`: what can be read, and what was last seen of it. */
export function datasetsCommand(name: string | undefined, options: GlobalOptions): Promise<number> {
  return withContext(options, { role: 'datasets' }, async ({ config, host }) => {
    const chosen = chosenConnection(config, name);
    const connection = chosen.name;
    const items = await datasetsOf(host, { connection: chosen, now: Date.now(), timeZone: config.timeZone });
    if (options.json === true) printJson({ connection, simulated: config.demo, datasets: items });
    else if (items.length === 0) {
      say(`Nothing is known of ${connection} yet: no run has logged in. Try: otw run ${connection}`);
    } else {
      if (config.demo) say(simulatedNote);
      show(items);
    }
    return exitCodes.done;
  });
}
