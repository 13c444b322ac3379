// npm run registry: publishes what stands here to a registry on this machine, until it is stopped.
import { join } from 'node:path';
import { startPublishedTree } from './local-registry.ts';

const published = await startPublishedTree(join(import.meta.dirname, '..'));
console.log(`Our packages are at ${published.registry.url} until Ctrl-C. In the terminal you work in, type:

export npm_config_userconfig=${published.settings}
`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void published.close().then(() => process.exit(0)));
