// A plugin of the suite by the name of what it does: `module.ts?lie=17 a record of the day before`. Loaded by processes of
// checks, which can be given no plugin but the module of one.
import type { Connector } from '../../connector.ts';
import type { Sink } from '../../sink.ts';
import { connectorOf, honestParts } from './honest-parts.ts';
import { honestVariants } from './honest-variants.ts';
import { honestSinkParts, sinkOf } from './honest-sink.ts';
import { lies } from './lies.ts';
import { sinkLies } from './sink-lies.ts';

/** The connector that tells the lie, or is honest in a way of its own. */
export function lyingConnector(lie: string): Connector {
  return connectorOf({ ...honestParts, ...honestVariants[lie], ...lies[lie]?.(honestParts) });
}

/** The sink that tells the lie. */
export function lyingSink(lie: string): Sink {
  return sinkOf({ ...honestSinkParts, ...sinkLies[lie] });
}

const { searchParams } = new URL(import.meta.url);
const lie = searchParams.get('lie') ?? '';

export default searchParams.get('kind') === 'sink' ? lyingSink(lie) : lyingConnector(lie);
