import { emptyCounts, type RunSummary } from '@on-the-way/core';
import { expect, test } from 'vitest';
import { formatSummary, summaryJson } from './run-summary.ts';

const summary: RunSummary = {
  runId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f',
  connection: 'garmin',
  status: 'partial',
  startedAt: 0,
  finishedAt: 900,
  slicesPlanned: 2,
  requests: 2,
  datasets: {
    sleep: { ...emptyCounts(), ok: 2, read: 3, written: 2, unchanged: 1 },
    steps: { ...emptyCounts(), failed: 1, notAsked: 3, read: 9, written: 4, setAside: 1, givenUp: 4 },
  },
};

test('a table has columns for what was not asked for, set aside or given up only where there is any', () => {
  const [head, , steps] = formatSummary(summary, 'UTC').split('\n');
  expect(head?.split(/\s+/)).toEqual([
    'dataset',
    'ok',
    'no_data',
    'not_supported',
    'failed',
    'written',
    'unchanged',
    'not_asked',
    'set_aside',
    'given_up',
  ]);
  expect(steps?.split(/\s+/)).toEqual(['steps', '0', '0', '0', '1', '4', '0', '3', '1', '4']);
  expect(formatSummary(summary, 'UTC')).toContain(
    '6 new, 1 unchanged, 1 set aside, 4 given up, 1 failed days, 3 not asked for',
  );
  const { sleep } = summary.datasets;
  const plain = formatSummary({ ...summary, datasets: { sleep: sleep! } }, 'UTC');
  expect(plain).not.toMatch(/not_asked|set_aside|given|conflict/);
});

test('the JSON of a run spells its counts as the API does', () => {
  expect(summaryJson(summary, 'UTC').datasets['steps']).toEqual({
    ok: 0,
    no_data: 0,
    not_supported: 0,
    failed: 1,
    not_asked: 3,
    read: 9,
    written: 4,
    unchanged: 0,
    conflicts: 0,
    set_aside: 1,
    given_up: 4,
  });
});
