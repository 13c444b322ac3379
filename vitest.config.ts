import { defineConfig } from 'vitest/config';

const conditions = ['@on-the-way/source', 'node', 'import', 'default'];

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
    globalSetup: [],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './scripts/count-reporter.mjs'],
  },
});
