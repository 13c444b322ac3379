import { defineConfig } from 'vitest/config';

// A check may start a process and a database.
export default defineConfig({ test: { testTimeout: 120_000, hookTimeout: 120_000 } });
