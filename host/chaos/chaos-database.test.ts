import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OwnPostgres } from '../test/own-postgres.ts';
import { formatReport } from './report.ts';
import { startServer } from './start-server.ts';
import { suite } from './suite.ts';

// The short form of `npm run chaos`, with fixed seeds: the parts that hurt the database itself.
let server: OwnPostgres;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

const parts = suite({ long: false }).filter(({ hurtsServer }) => hurtsServer === true);

test.each(parts.map(({ name, run }) => [name, run] as const))(
  '%s: nothing is lost, nothing is there twice, and nothing is told that is not so',
  { timeout: 400_000 },
  async (_, run) => {
    const report = await run(server);
    console.log(formatReport(report));
    expect(report.problems).toEqual([]);
  },
);
