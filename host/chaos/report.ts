import type { Problem } from './checker.ts';
import { openLab, type Lab, type LabOptions } from './lab.ts';

/** What came of one kind of round. */
export interface Report {
  readonly name: string;
  /** What to run it with again. */
  readonly seed: number;
  readonly problems: readonly Problem[];
  /** What was measured, for people. */
  readonly lines: readonly string[];
}

/** Works in a lab of its own, and reports; `work` resolves with what is wrong and notes what it measured. */
export async function inLab(
  name: string,
  options: LabOptions,
  work: (lab: Lab, note: (line: string) => void) => Promise<readonly Problem[]>,
): Promise<Report> {
  const lines: string[] = [];
  const lab = await openLab(options);
  try {
    const problems = await work(lab, (line) => lines.push(line));
    return { name, seed: options.seed, problems, lines: [...lines, lab.summary()] };
  } finally {
    await lab.close();
  }
}

/** The report as it is printed. */
export function formatReport({ name, seed, problems, lines }: Report): string {
  const verdict = problems.length === 0 ? 'holds' : 'BROKEN';
  const found = problems.map(({ invariant, message }) => `  ${invariant}: ${message}`);
  return [`${name} (seed ${seed}): ${verdict}`, ...lines.map((line) => `  ${line}`), ...found].join('\n');
}
