import { defineConfig } from 'vitest/config';
import { SlowestFirst } from './scripts/slowest-first.ts';

// Not 'import': vitest passes these on to Node, where require() of a dual package would get the wrong half.
const conditions = ['@on-the-way/source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: [
      'sdk/src/**/*.test.ts',
      'core/src/**/*.test.ts',
      'create/src/**/*.test.ts',
      'host/{src,test,chaos}/**/*.test.ts',
      'plugins/*/{src,test}/**/*.test.ts',
      'examples/**/*.test.ts',
      'docs/*.test.ts',
      'scripts/**/*.test.ts',
      'bench/*.test.ts',
    ],
    // A gigabyte for each of four plugins takes minutes; `npm run conformance` and `otw plugin test` read it.
    env: { OTW_SUITE_LARGE_MB: '512' },
    globalSetup: ['./host/test/global-setup.ts'],
    // Most of the time a test waits for processes, disks and sockets; the default leaves a core idle. More files at once than
    // there are cores take longer, all in all.
    maxWorkers: '100%',
    sequence: { sequencer: SlowestFirst },
    // A busy machine is late, not wrong.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './scripts/count-reporter.mjs'],
  },
});
