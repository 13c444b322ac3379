import { defineConfig } from 'vitest/config';

// Not 'import': vitest passes these on to Node, where require() of a dual package would get the wrong half.
const conditions = ['@on-the-way/source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: [
      'sdk/src/**/*.test.ts',
      'core/src/**/*.test.ts',
      'host/{src,test}/**/*.test.ts',
      'plugins/*/src/**/*.test.ts',
      'examples/**/*.test.ts',
      'docs/*.test.ts',
      'scripts/*.test.ts',
    ],
    globalSetup: ['./host/test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './scripts/count-reporter.mjs'],
  },
});
