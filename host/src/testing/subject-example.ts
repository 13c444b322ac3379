const connector = `import { defineSubject } from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';

export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  open(server) {
    server.answer = ({ path }) => (path === '/me' ? { json: { name: 'somebody' } } : { json: [] });
    return { config: { origin: server.origin, apiKey: 'a-key' } };
  },
  window: { from: '2026-02-24', to: '2026-02-27' },
});
`;

const sink = `import { defineSubject } from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';

export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  open() {
    const path = makeEmptyPlace();
    return { config: { path }, stored: async () => readEverything(path) };
  },
});
`;

/** The smallest subject, for whoever has none yet. TypeScript. */
export function subjectExample(kind: 'connector' | 'sink'): string {
  return kind === 'sink' ? sink : connector;
}
