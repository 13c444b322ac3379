import { defineConfig } from '@on-the-way/host';

export default defineConfig({
  connections: {
    demo: { plugin: './test/invented.ts', every: '1d', sink: 'own' },
  },
  sinks: {
    // A relative path is one below the folder that the host is started in.
    own: { plugin: './src/index.ts', config: { path: './demo.db' } },
  },
});
