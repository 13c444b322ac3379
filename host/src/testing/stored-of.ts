import type { Database } from '../storage/database.ts';

/** What a host keeps of a run in words; a `?` stands for the run's id. */
const queries = [
  'select status, error_code, error_message from app.run where run_id = ?',
  'select dataset, day::text, outcome, error_code, error_message, note from app.slice_ledger where run_id = ?',
  'select dataset, source_id, external_id, payload, error_code, error_message from app.dead_letter where run_id = ?',
];

/** JSON, with bytes as the text they are. */
function shown(row: Readonly<Record<string, unknown>>): string {
  const members = Object.entries(row).map(([name, value]) => [
    name,
    Buffer.isBuffer(value) ? value.toString('utf8') : value,
  ]);
  return JSON.stringify(Object.fromEntries(members));
}

/** Errors, notes and dead letters that the host stored of a run, a row a line. */
export async function storedOf(database: Database, runId: string): Promise<string[]> {
  const lines: string[] = [];
  for (const sql of queries) {
    const { rows } = await database.raw<{ rows: Record<string, unknown>[] }>(sql, [runId]);
    lines.push(...rows.map(shown));
  }
  return lines;
}
