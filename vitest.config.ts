import { configDefaults, defineConfig } from 'vitest/config';
import { SlowestFirst } from './scripts/slowest-first.ts';

// Not 'import': vitest passes these on to Node, where require() of a dual package would get the wrong half.
const conditions = ['@on-the-way/source'];
const resolution = { resolve: { conditions }, ssr: { resolve: { conditions } } };

// What they put in the place of a module would be there, or come too late, for other files in the same process.
export const withMocks = ['host/src/storage/embedded/port.test.ts'];

const common = {
  // A busy machine is late, not wrong.
  expect: { poll: { timeout: 15_000 } },
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  ...resolution,
  test: {
    globalSetup: ['./host/test/global-setup.ts'],
    // Most of the time a test waits for processes, disks and sockets; the default leaves a core idle.
    maxWorkers: '100%',
    sequence: { sequencer: SlowestFirst },
    reporters: ['default', './scripts/count-reporter.mjs'],
    projects: [
      {
        ...resolution,
        test: { ...common, name: 'whole', include: ['host/{test,chaos}/**/*.test.ts', ...withMocks] },
      },
      {
        ...resolution,
        test: {
          ...common,
          name: 'parts',
          include: [
            'sdk/src/**/*.test.ts',
            'core/src/**/*.test.ts',
            'host/src/**/*.test.ts',
            'plugins/*/src/**/*.test.ts',
            'examples/**/*.test.ts',
            'docs/*.test.ts',
            'scripts/*.test.ts',
            'bench/*.test.ts',
          ],
          exclude: [...configDefaults.exclude, ...withMocks],
          // One after the other in the same process: to load what they test takes longer than most of them.
          isolate: false,
        },
      },
    ],
  },
});
