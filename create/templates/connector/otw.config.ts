import { defineConfig, env } from '@on-the-way/host';

export default defineConfig({
  connections: {
    demo: {
      plugin: './src/index.ts',
      config: { origin: env('SOURCE_ORIGIN'), apiKey: env('SOURCE_API_KEY') },
      every: '6h',
    },
  },
});
