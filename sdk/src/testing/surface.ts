import { z } from 'zod';
import type { Connector, DatasetInfo } from '../connector.ts';
import type { JsonValue } from '../json.ts';
import { narrowed, optionsOf, resolved, type Schema } from './narrowed.ts';

/** What users of a plugin rely on, as `published.json` keeps it. */
export interface Surface {
  /** A part of every key. */
  readonly name: string;
  /** The plugin's version that promised it. */
  readonly version: string;
  /** The `source_id`; of connectors. */
  readonly source?: string;
  /** JSON Schema of the configuration as it is written. */
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Of connectors, by name. */
  readonly datasets?: Readonly<Record<string, Pick<DatasetInfo, 'granularity'>>>;
}

type Shown = Readonly<Record<string, JsonValue>>;

/**
 * What users of a plugin rely on: names, configuration, datasets. `otw plugin test --publish` writes it to `published.json`
 * when a version is published; the next version is compared with it.
 *
 * @throws Error where the configuration's schema cannot be said in JSON Schema.
 */
export function surfaceOf(
  plugin: Pick<Surface, 'name' | 'version' | 'source'> & Pick<Connector, 'config'>,
  datasets?: readonly Pick<DatasetInfo, 'name' | 'granularity'>[],
): Surface {
  const { name, version, source, config } = plugin;
  return {
    name,
    version,
    ...(source !== undefined && { source }),
    config: z.toJSONSchema(config, { io: 'input' }) as Shown,
    ...(datasets && {
      datasets: Object.fromEntries(datasets.map(({ name: key, granularity }) => [key, { granularity }])),
    }),
  };
}

/** The schemas one of which a configuration must fit: its own, or each choice of a union. */
function choicesOf(schema: Schema, root: Schema = schema): Schema[] {
  const whole = resolved(schema, root);
  return optionsOf(whole)?.flatMap((option) => choicesOf(option, root)) ?? [whole];
}

/** What a configuration may be in JSON Schema, such as `object`; of a union each choice. */
export function configTypes(schema: Schema): string[] {
  return choicesOf(schema).map(({ type }) => (typeof type === 'string' ? type : 'anything'));
}

/** The keys of a configuration's JSON Schema. Of a union those of all its choices: each requires those in `required`, none those in `optional`. */
export function configKeys(schema: Schema): {
  readonly required: readonly string[];
  readonly optional: readonly string[];
} {
  const choices = choicesOf(schema);
  const all = [...new Set(choices.flatMap(({ properties }) => Object.keys(properties ?? {})))];
  const demanding = (key: string): number =>
    choices.filter(({ required }) => Array.isArray(required) && required.includes(key)).length;
  return {
    required: all.filter((key) => demanding(key) === choices.length),
    optional: all.filter((key) => demanding(key) === 0),
  };
}

/** What somebody who relies on `before` would miss in `now`; a sentence each. */
export function brokenPromises(before: Surface, now: Surface): string[] {
  const broken: string[] = [];
  for (const key of ['name', 'source'] as const) {
    if (before[key] !== now[key])
      broken.push(`${key} was ${before[key]} and is ${now[key]}: the same data gets other keys`);
  }
  return [...broken, ...brokenDatasets(before, now), ...narrowed(before.config, now.config)];
}

function brokenDatasets({ datasets: before = {} }: Surface, { datasets: now = {} }: Surface): string[] {
  return Object.entries(before).flatMap(([name, { granularity }]) => {
    const found = now[name];
    if (!found) return [`dataset ${name} is gone`];
    if (found.granularity === granularity) return [];
    return [`dataset ${name} was asked by ${granularity} and is by ${found.granularity}`];
  });
}
