import { defineConfig } from 'vitest/config';

// A check may start a process and a database; the suite itself ends one after ten minutes at most, and says why.
export default defineConfig({ test: { testTimeout: 620_000, hookTimeout: 120_000 } });
