import { appendFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runServer } from 'verdaccio';
import { outputOf, type CommandOptions } from './commands.ts';
import { commitTree, copyTree } from './tree-copy.ts';

/** A registry on this machine, which has our packages and asks no other registry. */
interface LocalRegistry {
  /** Without a slash at the end. */
  readonly url: string;
  /**
   * Lines of an `.npmrc` with which npm takes our packages from here and all others from the registry that is configured.
   * The token in it is good for nothing: everybody may publish here.
   */
  readonly npmrc: string;
  close(): Promise<void>;
}

/** Starts an empty registry in this process: run commands that use it without blocking the event loop. */
async function startRegistry(storage: string): Promise<LocalRegistry> {
  const everybody = { access: ['$all'], publish: ['$all'] };
  const server = (await runServer({
    storage,
    configPath: join(storage, 'config.yaml'),
    uplinks: {},
    packages: { '@on-the-way/*': everybody },
    log: { type: 'stdout', format: 'pretty', level: 'fatal' },
    web: { enable: false },
  } as never)) as Server;
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    npmrc: `@on-the-way:registry=${url}/\n//127.0.0.1:${port}/:_authToken=local\n`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A copy of the repository whose packages were published to a registry of its own. */
export interface PublishedTree {
  /** The copy, a git repository of its own: built, and a major version ahead of the repository. */
  readonly tree: string;
  readonly registry: LocalRegistry;
  /**
   * A file for `npm_config_userconfig`: the person's own settings of npm, and our packages from the registry. Only the person can
   * read it, for there may be tokens in those settings.
   */
  readonly settings: string;
  /** A new folder; removed with everything else. */
  emptyFolder(name: string): string;
  close(): Promise<void>;
}

// In the tests there is nobody to vouch for where the packages were built. nx would leave a process of its own behind.
const releaseEnvironment = {
  NPM_CONFIG_PROVENANCE: 'false',
  NX_DAEMON: 'false',
  npm_config_prefer_offline: 'true',
};

/** Environment that the machine of a release would have, besides the usual. */
type ReleaseEnvironment = CommandOptions['env'];

function lerna(tree: string, args: readonly string[], env: ReleaseEnvironment = {}): Promise<string> {
  const command = join(tree, 'node_modules', '.bin', 'lerna');
  return outputOf([command, ...args, '--yes'], { cwd: tree, env: { ...releaseEnvironment, ...env } });
}

/** Compiles the copy. Types are not checked here: repository.test.ts does that for the sources themselves. */
async function build(tree: string): Promise<void> {
  const tsc = join(tree, 'node_modules', '.bin', 'tsc');
  // Beside other tests there is no second core to be had, and threads that share one cost more than they bring.
  await outputOf([tsc, '-b', '--noCheck', '--singleThreaded'], { cwd: tree });
}

/** Writes the settings of somebody whose npm takes our packages from the registry: those of this machine, and that. */
function writeSettings(file: string, { npmrc }: LocalRegistry): string {
  const own = process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc');
  const settings = existsSync(own) ? readFileSync(own, 'utf8') : '';
  writeFileSync(file, `${settings}\n${npmrc}`, { mode: 0o600 });
  return file;
}

/**
 * Copies the repository at `root` to a temporary folder, makes a new version of it, builds that and publishes it to a registry
 * of its own, with the commands of a release.
 */
export async function startPublishedTree(root: string, env: ReleaseEnvironment = {}): Promise<PublishedTree> {
  const folder = mkdtempSync(join(tmpdir(), 'otw-published-'));
  const tree = join(folder, 'tree');
  const registry = await startRegistry(join(folder, 'registry'));
  const close = async (): Promise<void> => {
    await registry.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await copyTree(root, tree);
    appendFileSync(join(tree, '.npmrc'), registry.npmrc);
    await commitTree(tree);
    // A major one is in no range that the version before was in.
    await lerna(tree, ['version', 'major', '--no-push'], env);
    await build(tree);
    await lerna(tree, ['publish', 'from-package', '--registry', `${registry.url}/`], env);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    tree,
    registry,
    settings: writeSettings(join(folder, 'npmrc'), registry),
    emptyFolder: (name) => mkdtempSync(join(folder, `${name}-`)),
    close,
  };
}
