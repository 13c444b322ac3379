// Figures of variants as the rows of a table.
import { ratioOf, type Figures } from './figures.ts';
import type { PartTable } from './part.ts';

/** A number that may not be known. */
export function shown(value: number | undefined, digits = 0): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A share as per cent. */
export function percent(share: number | undefined): string {
  return share === undefined ? '–' : `${Math.round(share * 100)} %`;
}

const heads = [
  'variant',
  'runs',
  'rows/s',
  'quiet rows/s (n)',
  'best rows/s (others)',
  'MB/s',
  'client µs/row',
  'server µs/row',
  'others',
  'peak RSS MB',
  '÷',
  'of',
];

/** Figures, and the variant they are compared with. */
export interface FiguresRow {
  readonly name: string;
  readonly figures: Figures;
  readonly base?: { readonly name: string; readonly figures: Figures } | undefined;
}

/** The table of variants. */
export function figuresTable(lines: readonly FiguresRow[]): PartTable {
  const rows = lines.map(({ name, figures, base }) => [
    name,
    figures.runs,
    shown(figures.rate),
    figures.quiet ? `${shown(figures.quiet.rate)} (${figures.quiet.runs})` : '–',
    `${shown(figures.best.rate)} (${percent(figures.best.others)})`,
    shown(figures.megabytes, 1),
    shown(figures.clientUs, 1),
    shown(figures.serverUs, 1),
    percent(figures.others),
    shown(figures.rssMb),
    base ? shown(ratioOf(figures, base.figures).value, 2) : '',
    base ? base.name : '',
  ]);
  return { heads, rows };
}
