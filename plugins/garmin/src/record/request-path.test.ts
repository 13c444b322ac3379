import { expect, test } from 'vitest';
import { datasetTable } from '../datasets/index.ts';
import { mapPath, pathWords } from './request-path.ts';

function* pathsIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === 'path' && typeof member === 'string') yield member;
    else yield* pathsIn(member);
  }
}

test('every word of every path of the datasets is known, so that a recorded path can be asked again', () => {
  const paths = [...new Set(pathsIn(datasetTable))];
  expect(paths.length).toBeGreaterThan(30);
  const strange = paths.flatMap((path) =>
    path.split('/').filter((part) => part !== '' && !part.startsWith('{') && !pathWords.has(part)),
  );
  expect([...new Set(strange)]).toEqual([]);
});

test('any other part is handed over decoded and put back encoded', () => {
  const seen: string[] = [];
  const path = mapPath('/wellness-service/wellness/dailyHeartRate/zofia%20k/%E0%A4%A', (part) => {
    seen.push(part);
    return 'a b/c';
  });
  expect(seen).toEqual(['zofia k', '%E0%A4%A']);
  expect(path).toBe('/wellness-service/wellness/dailyHeartRate/a%20b%2Fc/a%20b%2Fc');
});
