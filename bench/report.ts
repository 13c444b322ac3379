// What is printed, and what is written down.
import { quietShare } from './figures.ts';
import { isMet, type Goal } from './goals.ts';
import { shown } from './figures-table.ts';
import type { Part, PartTable } from './part.ts';

const basisWords = { quiet: 'quiet runs', best: 'best runs', all: 'all runs' } as const;
const digits = { '×': 2, ms: 1, µs: 1, MB: 0, '/s': 0 } as const;

function verdict(goal: Goal): string {
  const met = isMet(goal);
  if (met === undefined) return '–';
  return met ? 'met' : 'not met';
}

/** The one table of ratios: each aim, what was reached, and of which runs. */
export function goalsTable(goals: readonly Goal[]): PartTable {
  return {
    heads: ['what', 'against', 'measured', 'target', 'met', 'of'],
    rows: goals.map((goal) => [
      goal.what,
      goal.against.split(':')[0] ?? '',
      `${shown(goal.value, digits[goal.unit])} ${goal.unit}`,
      `${goal.sense === 'at least' ? '≥' : '≤'} ${goal.target} ${goal.unit}`,
      verdict(goal),
      basisWords[goal.basis],
    ]),
  };
}

/** Under what the figures were taken. */
export interface Circumstances {
  /** As a date and a time of the machine. */
  readonly at: string;
  readonly machine: string;
  readonly versions: string;
  readonly command: string;
  readonly seed: number;
  /** Share of the machine that others used, over the whole time, 0 to 1; undefined where the system does not tell. */
  readonly others: number | undefined;
}

function markdownTable({ heads, rows }: PartTable): string {
  const line = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

function busyNote(others: number | undefined): string {
  if (others === undefined) return 'This system does not tell what others used of the machine.';
  const share = `${Math.round(others * 100)} %`;
  return others <= quietShare
    ? `Others used ${share} of the machine meanwhile: rates and ratios can be read.`
    : `Others used ${share} of the machine meanwhile: read CPU a row; rates and ratios say too who else was waiting.`;
}

/** The results as a page. */
export function reportPage(found: Circumstances, parts: readonly Part[]): string {
  const head = [
    `# Bench of ${found.at}`,
    `- Machine: ${found.machine}\n- Versions: ${found.versions}\n- Command: \`${found.command}\`\n- Seed of the records: ${found.seed}\n- ${busyNote(found.others)}`,
    '## Ratios',
    markdownTable(goalsTable(parts.flatMap(({ goals }) => goals))),
    `A ratio is of medians of quiet runs (others used at most ${quietShare * 100} % of the machine), of best runs where a side had no quiet one, ` +
      'of all runs where that is not known. CPU a row is the median of all runs. What it means is said in docs/performance.md.',
  ];
  const body = parts.flatMap(({ title, table, notes }) => [
    `## ${title}`,
    markdownTable(table),
    ...(notes.length === 0 ? [] : [notes.map((note) => `- ${note}`).join('\n')]),
  ]);
  return `${[...head, ...body].join('\n\n')}\n`;
}
