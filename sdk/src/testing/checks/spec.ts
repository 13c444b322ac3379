import { z } from 'zod';
import { secretsOf } from '../../secret.ts';
import { canary, secretPlaces } from './secret-places.ts';
import { connectorOpened } from '../open-connector.ts';
import { Broken, expectThat, pluginCheck, Skip, type Check } from '../check.ts';
import { isConnectorSubject, type Subject } from '../subject.ts';
import { brokenPromises, configKeys, configTypes, surfaceOf } from '../surface.ts';
import { isWarning, warningVersion } from '../version-warning.ts';
import { withSource } from '../with-source.ts';

type Config = Readonly<Record<string, unknown>>;

/** A configuration that works, of either kind of plugin. */
async function withConfig(subject: Subject, use: (config: Config) => Promise<void> | void): Promise<void> {
  if (isConnectorSubject(subject)) return withSource(subject, async ({ source }) => use(source.config));
  const target = await subject.open();
  try {
    await use(target.config);
  } finally {
    await target.close?.();
  }
}

function schemaOf({ plugin }: Subject): Config {
  try {
    return z.toJSONSchema(plugin.config, { io: 'input' });
  } catch (cause) {
    throw new Broken(`Expected a schema that JSON Schema can say, but: ${String(cause)}`, { cause });
  }
}

function without(config: Config, keys: readonly string[]): Config {
  return Object.fromEntries(Object.entries(config).filter(([name]) => !keys.includes(name)));
}

/** Whether one of the refusals is about the key or has its name as a word. */
function names({ issues }: z.ZodError, key: string): boolean {
  return issues.some(
    ({ path, message }) => path[0] === key || message.split(/[^\p{L}\p{N}_$-]+/u).includes(key),
  );
}

async function checkRequired(subject: Subject): Promise<void> {
  const { required } = configKeys(schemaOf(subject));
  await withConfig(subject, (config) => {
    for (const key of required) {
      const { success, error } = subject.plugin.config.safeParse(without(config, [key]));
      expectThat(!success, () => `Expected a configuration without ${key} to be refused, and it was taken`);
      expectThat(
        names(error, key),
        () => `Expected the refusal of a configuration without ${key} to name it, got: ${error.message}`,
      );
    }
  });
}

/**
 * Some keys go together, or one may stand for others: then a configuration is taken without the key and what goes with it,
 * or the refusal names the key and what can be given in its place.
 */
function refusalWithout(
  { plugin }: Subject,
  config: Config,
  { key, optional }: { readonly key: string; readonly optional: readonly string[] },
): z.ZodError | undefined {
  const isTaken = (keys: readonly string[]): boolean =>
    plugin.config.safeParse(without(config, keys)).success;
  const { error } = plugin.config.safeParse(without(config, [key]));
  if (!error || isTaken(optional) || optional.some((other) => isTaken([key, other]))) return undefined;
  const instead = optional.filter((other) => !Object.hasOwn(config, other));
  return names(error, key) && instead.some((other) => names(error, other)) ? undefined : error;
}

async function checkOptional(subject: Subject): Promise<void> {
  const { optional } = configKeys(schemaOf(subject));
  await withConfig(subject, (config) => {
    for (const key of optional.filter((name) => Object.hasOwn(config, name))) {
      const refusal = refusalWithout(subject, config, { key, optional });
      expectThat(
        refusal === undefined,
        () =>
          `Expected a configuration without the optional ${key} to be taken, or refused by naming ${key} and the optional key to give instead, but: ${refusal?.message}`,
      );
    }
  });
}

async function checkSecrets(subject: Subject): Promise<void> {
  for (const { path, config } of secretPlaces(schemaOf(subject)))
    expectThat(
      secretsOf(subject.plugin.config, config).includes(canary),
      () => `Expected config ${path} to be marked with secret(), and it is not`,
    );
}

async function checkCompatible(subject: Subject): Promise<void> {
  const { published, plugin } = subject;
  if (!published) throw new Skip('no version was published yet: there is no published.json', true);
  const { version: before } = published;
  const compare = (now: ReturnType<typeof surfaceOf>): void => {
    const broken = brokenPromises(published, now);
    if (broken.length > 0 && isWarning(before, now.version))
      throw new Skip(`${now.version} may break what ${before} promised: ${broken.join('; ')}`, true);
    expectThat(
      broken.length === 0,
      () =>
        `Expected ${now.version} to keep everything ${before} promised, but: ${broken.join('; ')}. Keep it, or make a version that warns, ${warningVersion(before)} at least`,
    );
  };
  if (!isConnectorSubject(subject)) return compare(surfaceOf(plugin));
  await withSource(subject, async (context) => {
    const opened = await connectorOpened(subject, context);
    compare(surfaceOf(plugin, opened.datasets));
    await opened.close();
  });
}

const semver = /^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

async function checkNames({ plugin }: Subject): Promise<void> {
  const { name, version, description } = plugin;
  expectThat(
    /^[a-z][a-z0-9_-]{0,31}$/.test(name),
    () => `Expected a name of up to 32 lower-case letters, digits, - and _, got ${name}`,
  );
  expectThat(
    semver.test(version) && version.length <= 32,
    () => `Expected a semantic version such as 1.2.3, got ${version}`,
  );
  expectThat(
    description.trim().length > 0 && description.length <= 200,
    () => `Expected a description of one sentence, got ${JSON.stringify(description)}`,
  );
  if (plugin.kind === 'connector')
    expectThat(plugin.source.trim() !== '', () => 'Expected a source: the source_id of every row');
}

/** 1 to 6: what a plugin says of itself. */
export const specChecks: readonly Check[] = [
  pluginCheck(
    {
      id: 1,
      topic: 'Spec',
      title: 'the configuration is a valid schema and goes to JSON Schema and back',
      why: 'Editors, forms and the API describe a configuration by its JSON Schema.',
    },
    async (subject) => {
      const schema = schemaOf(subject);
      const types = configTypes(schema);
      expectThat(
        types.every((type) => type === 'object'),
        () => `Expected the configuration to be an object, or one of several, got ${types.join(' or ')}`,
      );
      const back = z.fromJSONSchema(JSON.parse(JSON.stringify(schema)) as never);
      await withConfig(subject, (config) => {
        const [here, there] = [subject.plugin.config.safeParse(config), back.safeParse(config)];
        expectThat(
          here.success,
          () => `Expected the schema to take the subject's own configuration, but: ${here.error?.message}`,
        );
        expectThat(
          there.success,
          () =>
            `Expected the JSON Schema to take the subject's own configuration, but: ${there.error?.message}`,
        );
      });
    },
  ),
  pluginCheck(
    {
      id: 2,
      topic: 'Spec',
      title: 'a configuration without a required key is refused by name',
      why: 'A person who forgot a key must be told which.',
    },
    checkRequired,
  ),
  pluginCheck(
    {
      id: 3,
      topic: 'Spec',
      title: 'a configuration without an optional key is taken',
      why: 'What is called optional and is not fails at the first person who believes it.',
    },
    checkOptional,
  ),
  pluginCheck(
    {
      id: 4,
      topic: 'Spec',
      title: 'what looks secret in the configuration is marked secret',
      why: 'Only what is marked is taken out of logs and errors.',
    },
    checkSecrets,
  ),
  pluginCheck(
    {
      id: 5,
      topic: 'Spec',
      title: 'configuration and datasets keep what the last published version promised',
      why: 'An update must not break a configuration that works or store the same data under other keys.',
    },
    checkCompatible,
  ),
  pluginCheck(
    {
      id: 6,
      topic: 'Spec',
      title: 'name, semantic version and description are there',
      why: 'They stand in every row, list and log line.',
    },
    checkNames,
  ),
];
