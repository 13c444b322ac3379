/** What a plugin can be. */
export const pluginKinds = ['connector', 'sink'] as const;

/** One of {@link pluginKinds}. */
export type PluginKind = (typeof pluginKinds)[number];

/** What to make; everything but the name has a default. */
export interface PluginOptions {
  /**
   * Of the plugin: 1 to 32 lower-case letters, digits, `-` and `_`, a letter first. The first part of every key. None of the
   * plugins of on the way, such as `postgres`.
   */
  readonly name: string;
  /** Default `connector`. */
  readonly kind?: string;
  /** Where to, relative to `cwd`; must be empty or not there yet. Default: the name. */
  readonly directory?: string;
  /** Name of the package. Default `otw-plugin-<name>`, or `otw-sink-<name>`. */
  readonly package?: string;
  /** One sentence of up to 200 characters. */
  readonly description?: string;
  /** `source_id` of every row, of a connector. Default: the name. */
  readonly source?: string;
  /** True: also below a folder whose packages npm installs together. Default false. */
  readonly inWorkspace?: boolean;
  /** Default: of the process. */
  readonly cwd?: string;
}

/** Options as they are used, all there. */
export interface PluginFacts {
  readonly name: string;
  readonly kind: PluginKind;
  readonly package: string;
  readonly description: string;
  /** Of a connector. */
  readonly source?: string;
}

/** Thrown for what was asked for and cannot be made: what was expected, what was found, what to do. */
export class PluginOptionError extends Error {
  override readonly name = 'PluginOptionError';
}

interface Rule {
  readonly option: string;
  readonly pattern: RegExp;
  readonly expected: string;
  readonly example: string;
}

function checked(value: string, { option, pattern, expected, example }: Rule): string {
  if (pattern.test(value)) return value;
  throw new PluginOptionError(
    `${option}: expected ${expected}, found ${JSON.stringify(value)}; for example ${example}`,
  );
}

const nameRule: Rule = {
  option: 'name',
  pattern: /^[a-z][a-z0-9_-]{0,31}$/,
  expected: '1 to 32 lower-case letters, digits, - and _, a letter first',
  example: 'steps',
};

/** Names of plugins that come with the host or are published beside it. */
const takenNames: readonly string[] = ['garmin', 'http', 'jsonl', 'postgres', 'signal', 'strava'];

function notTaken(name: string): string {
  if (!takenNames.includes(name)) return name;
  throw new PluginOptionError(
    `name: expected one that no plugin of on the way has, found ${JSON.stringify(name)}: the two could not be told apart; ` +
      `for example my-${name}`,
  );
}

const kindRule: Rule = {
  option: '--kind',
  pattern: /^(connector|sink)$/,
  expected: 'connector or sink',
  example: '--kind sink',
};

// What npm takes for a new package, and a registry for an address.
const packageRule: Rule = {
  option: '--package',
  pattern: /^(?=.{1,214}$)(@[a-z0-9-][a-z0-9-._]*\/)?[a-z0-9-][a-z0-9-._]*$/,
  expected: 'a name that npm takes, lower case, with or without a scope',
  example: '--package @me/otw-plugin-steps',
};

// Written into code and into headings: one line.
const descriptionRule: Rule = {
  option: '--description',
  pattern: /^(?=.*\S)[^\p{Cc}\p{Cs}\u2028\u2029]{1,200}$/u,
  expected: 'one line of 1 to 200 characters',
  example: '--description "Steps of a day."',
};

const sourceRule: Rule = {
  option: '--source',
  pattern: /^[a-z][a-z0-9_-]{0,63}$/,
  expected: '1 to 64 lower-case letters, digits, - and _, a letter first',
  example: '--source example_steps',
};

const descriptions: Readonly<Record<PluginKind, string>> = {
  connector: 'Steps of a day, from api.example.com.',
  sink: 'Stores events in a SQLite file.',
};

/**
 * Checks options and fills in what was left out.
 *
 * @throws PluginOptionError for the first one that cannot be used.
 */
export function factsOf(options: PluginOptions): PluginFacts {
  const name = notTaken(checked(options.name, nameRule));
  const kind = checked(options.kind ?? 'connector', kindRule) as PluginKind;
  if (kind === 'sink' && options.source !== undefined) {
    throw new PluginOptionError(
      '--source: expected a connector for it, found a sink, which stores the rows of any source; leave it out',
    );
  }
  const prefix = kind === 'sink' ? 'otw-sink' : 'otw-plugin';
  return {
    name,
    kind,
    package: checked(options.package ?? `${prefix}-${name}`, packageRule),
    description: checked(options.description ?? descriptions[kind], descriptionRule),
    ...(kind === 'connector' && { source: checked(options.source ?? name, sourceRule) }),
  };
}
