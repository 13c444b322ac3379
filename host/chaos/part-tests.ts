import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OwnPostgres } from '../test/own-postgres.ts';
import { formatReport } from './report.ts';
import { startServer } from './start-server.ts';
import { suite, type Part } from './suite.ts';

/** Makes a test of each part that is wanted, in its short form with a fixed seed, over a server of their own. */
export function testParts(isWanted: (part: Part) => boolean): void {
  let server: OwnPostgres;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.remove());

  test.each(
    suite({ long: false })
      .filter(isWanted)
      .map(({ name, run }) => [name, run] as const),
  )(
    '%s: nothing is lost, nothing is there twice, and nothing is told that is not so',
    { timeout: 400_000 },
    async (_, run) => {
      const report = await run(server);
      console.log(formatReport(report));
      expect(report.problems).toEqual([]);
    },
  );
}
