import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { npmCommand, outputOf, runCommand } from '../commands.ts';

/** The newest version of a package that a registry has. */
export interface Published {
  readonly version: string;
  /** Where it was unpacked. */
  readonly folder: string;
}

/** How npm says that the registry has no such package or no version of it. */
const absent = /\bE404\b|\bETARGET\b|\bENOVERSIONS\b/;

/** Where the comparison happens. */
interface Places {
  /** Of the repository: npm's settings there say which registry is asked. */
  readonly root: string;
  /** A folder to put packages into. */
  readonly scratch: string;
}

/**
 * Downloads the last published version of each package and unpacks it.
 *
 * @returns By name; packages that were not published yet are left out.
 * @throws Error where the registry does not answer.
 */
export async function lastPublished(
  names: readonly string[],
  places: Places,
): Promise<ReadonlyMap<string, Published>> {
  const found = new Map<string, Published>();
  if (names.length === 0) return found;
  const packed = await pack(names, places);
  if (packed === undefined) {
    // One of several may be new: each is asked for by itself, since npm gives all or none.
    if (names.length === 1) return found;
    const each = await Promise.all(names.map((name) => lastPublished([name], places)));
    return new Map(each.flatMap((one) => [...one]));
  }
  for (const { name, version, filename } of packed) {
    const folder = join(places.scratch, name.replaceAll(/[@/]/g, '-'));
    mkdirSync(folder, { recursive: true });
    await outputOf(['tar', '-xzf', join(places.scratch, filename)], { cwd: folder });
    found.set(name, { version, folder: join(folder, 'package') });
  }
  return found;
}

async function pack(
  names: readonly string[],
  { root, scratch }: Places,
): Promise<readonly { name: string; version: string; filename: string }[] | undefined> {
  const command = [...npmCommand(), 'pack', ...names, '--json', '--pack-destination', scratch] as const;
  // What was published a minute ago must be seen.
  const env = { npm_config_prefer_online: 'true' };
  const { code, stdout, stderr } = await runCommand(command, { cwd: root, env });
  if (code === 0) return JSON.parse(stdout) as { name: string; version: string; filename: string }[];
  if (absent.test(`${stdout}${stderr}`)) return undefined;
  throw new Error(
    `Expected the registry to say what it has of ${names.join(', ')}, but npm ended with ${code}: look at npm's settings.\n${stderr}`,
  );
}
