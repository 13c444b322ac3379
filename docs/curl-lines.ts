import { spawn } from 'node:child_process';
import type { Page } from './markdown.ts';

/** A shell fence with curl in it, and the answer that the page shows under it. */
export interface CurlExample {
  readonly page: string;
  /** Line of the page on which the command begins. */
  readonly line: number;
  readonly command: string;
  /** Text of the json fence right behind it. */
  readonly answer: string | undefined;
}

/** Every shell fence of the page that calls curl. */
export function curlExamples({ path, fences }: Page): CurlExample[] {
  return fences.flatMap(({ language, text, line }, index) => {
    if (language !== 'sh' || !/\bcurl\b/.test(text)) return [];
    const next = fences[index + 1];
    const answer = next?.language === 'json' ? next.text : undefined;
    return [{ page: path, line, command: text, answer }];
  });
}

/** What a command said. */
interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const giveUpAfterMs = 20_000;

/** Runs the lines as they stand, in bash, with the address of the page replaced by that of a host that is there. */
export function runLines(
  command: string,
  { address, env }: { readonly address: string; readonly env: Readonly<Record<string, string>> },
): Promise<Said> {
  const text = command
    .replaceAll('http://127.0.0.1:8000', address)
    .replaceAll('127.0.0.1:8000', new URL(address).host);
  const child = spawn('bash', ['-euo', 'pipefail', '-c', text], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: giveUpAfterMs,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Objects that are maps: their names differ from answer to answer. */
const mapsByName: ReadonlySet<string> = new Set(['datasets', 'payload', 'data']);

/**
 * Where the answer that is shown differs in shape from the one that was given: names of members and JSON types,
 * deeply. Values may differ, a null may stand for anything or anything for null, lists may be shorter, and a map by
 * name may hold other names.
 */
export function differences(shown: unknown, given: unknown, path = ''): string[] {
  if (shown === null || given === null) return [];
  const [expected, found] = [kindOf(shown), kindOf(given)];
  if (expected !== found) return [`${path}: shown as ${expected}, given as ${found}`];
  if (Array.isArray(shown) && Array.isArray(given)) {
    // Any item of the answer may be the one that is shown.
    return shown.flatMap((item, index) => {
      const tried = given.map((other) => differences(item, other, `${path}[${index}]`));
      return given.length === 0 ? [`${path}: shown with an item, given empty`] : fewest(tried);
    });
  }
  if (expected !== 'object') return [];
  return memberDifferences(shown as Members, given as Members, path);
}

type Members = Readonly<Record<string, unknown>>;

function fewest(all: readonly string[][]): string[] {
  return all.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

function memberDifferences(shown: Members, given: Members, path: string): string[] {
  const isMap = mapsByName.has(path.split('.').at(-1) ?? '');
  const missing = Object.keys(shown).filter((name) => !Object.hasOwn(given, name));
  const more = Object.keys(given).filter((name) => !Object.hasOwn(shown, name));
  const both = Object.keys(shown).filter((name) => Object.hasOwn(given, name));
  return [
    ...(isMap ? [] : missing.map((name) => `${path}.${name}: shown, not given`)),
    ...(isMap ? [] : more.map((name) => `${path}.${name}: given, not shown`)),
    ...both.flatMap((name) => differences(shown[name], given[name], `${path}.${name}`)),
  ];
}
