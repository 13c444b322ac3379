import type { z } from 'zod';
import { fileKeys } from './file-schema.ts';
import { nearKey } from './near-key.ts';
import { kindOf, shownValue } from './shown-value.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const correctFile =
  "a correct file: export default { connections: { garmin: { plugin: '@on-the-way/plugin-garmin', every: '1h' } } }";

// Where no secret belongs, so that a wrong value may be shown.
const open = [
  'timeZone',
  'host',
  'port',
  'every',
  'windowDays',
  'backfillDays',
  'sink',
  'requireKey',
  'ingestPerMinute',
  'minFreeMb',
  'keepRunsDays',
  'connectorProcesses',
  'runsAtOnce',
  'freshProcess',
  ...fileKeys.policies,
  ...fileKeys.limits,
];

/** `connections.garmin.every`. A key may be a value that lost its place, as `password:x` in YAML is. */
function dotted(path: Path): string {
  const names = path.map((key) => (/^[\w-]{1,64}$/.test(String(key)) ? String(key) : '(key not shown)'));
  return names.join('.') || 'the file';
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
}

function keysAt(path: Path): readonly string[] {
  if (path.length === 0) return fileKeys.file;
  if (path[0] === 'http' || path[0] === 'ingest' || path[0] === 'notify') return fileKeys[path[0]];
  if (path.length === 3) return path[2] === 'limits' ? fileKeys.limits : fileKeys.policies;
  return path[0] === 'connections' ? fileKeys.connection : fileKeys.sink;
}

function unknownKey(path: Path, key: string): string {
  const known = keysAt(path);
  const near = nearKey(key, known);
  const own = `; what the plugin itself takes belongs in ${dotted([...path, 'config'])}`;
  const advice = near === undefined ? (path.length === 2 ? own : '') : `; did you mean ${near}?`;
  return `${dotted([...path, key])}: expected one of the keys ${known.join(', ')}, found another${advice}`;
}

function wrongName(path: Path, expected: string): string {
  return `${dotted(path)}: ${expected}, found another; ${correctFile}`;
}

function wrongValue(issue: Issue, raw: unknown): string {
  const value = at(raw, issue.path);
  const found = open.includes(String(issue.path.at(-1))) ? shownValue(value) : kindOf(value);
  // "Too small: expected number to be >=1", "Invalid input: expected string, received number".
  const expected = issue.message.replace(/^[^:]*: (?=expected)/, '').replace(/, received \w+$/, '');
  return `${dotted(issue.path)}: ${expected}, found ${found}; ${correctFile}`;
}

/**
 * The first thing that is wrong with a file's content: the key, what was expected and what was found.
 * Values are shown only where no secret belongs, and never whole objects.
 */
export function describeIssue(issues: readonly Issue[], raw: unknown): string {
  // A misspelt key is the reason for the one that is missing.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  if (issue.code === 'unrecognized_keys') return unknownKey(issue.path, issue.keys[0] ?? '');
  if (issue.code === 'invalid_key')
    return wrongName(issue.path, issue.issues[0]?.message ?? 'expected a name');
  return wrongValue(issue, raw);
}
