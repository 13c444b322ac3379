import { ConnectorError, type Log } from '@on-the-way/sdk';
import { datasetNames } from './datasets/index.ts';

/** The datasets a configuration asks for; unknown names are warned about and left out. */
export function chooseMetrics(metrics: 'all' | readonly string[], log: Log): readonly string[] {
  if (metrics === 'all') return datasetNames;
  const wanted = metrics.map((name) => name.trim()).filter((name) => name !== '');
  if (wanted.includes('all')) return datasetNames;
  const unknown = wanted.filter((name) => !datasetNames.includes(name));
  if (unknown.length > 0) log.warn('Unknown names in metrics are skipped', { unknown, known: datasetNames });
  const chosen = datasetNames.filter((name) => wanted.includes(name));
  if (chosen.length > 0) return chosen;
  throw new ConnectorError(
    'config',
    `Expected at least one known name in metrics, got none: use 'all' or some of ${datasetNames.join(', ')}`,
  );
}
