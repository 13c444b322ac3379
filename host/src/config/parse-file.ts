import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exitCodes, HostError } from '../host-error.ts';
import { commonJsManifest } from '../isolate/package-entry.ts';

/** What a file holds, or what is wrong with it in words that quote nothing of it. */
type Parsed = { readonly value: unknown } | { readonly problem: string };

function isBeginningOfJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    return (
      message === 'Unexpected end of JSON input' || message.includes(`in JSON at position ${text.length} (`)
    );
  }
}

/** Length of the longest beginning that could still become JSON: some of the parser's errors name no place. */
function firstBadPosition(text: string): number {
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isBeginningOfJson(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function parseJson(text: string): Parsed {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    const before = text.slice(0, firstBadPosition(text)).split(/\r\n|\r|\n/);
    const column = (before.at(-1)?.length ?? 0) + 1;
    return { problem: `JSON that is not valid at line ${before.length}, column ${column}` };
  }
}

async function parseYamlText(text: string): Promise<Parsed> {
  const { parse: parseYaml, YAMLParseError } = await import('yaml');
  try {
    // Warnings quote the text.
    return { value: parseYaml(text, { logLevel: 'error' }) as unknown };
  } catch (error) {
    const place = error instanceof YAMLParseError ? error.linePos?.[0] : undefined;
    const why = error instanceof YAMLParseError ? ` (${error.code})` : '';
    const where = place ? ` at line ${place.line}, column ${place.col}` : '';
    return { problem: `YAML that is not valid${why}${where}` };
  }
}

function isData(path: string): boolean {
  return ['.json', '.yaml', '.yml'].includes(extname(path));
}

/** An error's name, code and place in the file; its message may quote what the file says. */
function described(path: string, error: unknown): string {
  if (!(error instanceof Error)) return 'something thrown that is no error';
  const name = /^\w{1,40}$/.test(error.name) ? error.name : 'Error';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const stack = error.stack ?? '';
  const from = [pathToFileURL(path).href, path].find((start) => stack.includes(`${start}:`));
  const line = from && /^:(\d+)/.exec(stack.slice(stack.indexOf(`${from}:`) + from.length))?.[1];
  const what = `${name}${/^\w{1,60}$/.test(code) ? ` (${code})` : ''}${line ? ` at line ${line}` : ''}`;
  if (isData(path)) return what;
  const commonJs = error instanceof SyntaxError ? commonJsManifest(path) : undefined;
  return commonJs === undefined
    ? `${what}; to see why, run node ${path}`
    : `${what}; set "type": "module" in ${commonJs}, or give the file the ending .mts`;
}

async function parse(path: string): Promise<Parsed> {
  try {
    if (!isData(path)) {
      const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
      return { value: module.default };
    }
    const text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
    return extname(path) === '.json' ? parseJson(text) : await parseYamlText(text);
  } catch (error) {
    return { problem: described(path, error) };
  }
}

/**
 * What a configuration file holds, not yet checked: JSON and YAML are parsed, anything else is imported.
 *
 * @throws HostError (exit 78) with file and place. It has no cause: that would quote the file, and so
 * perhaps a password.
 */
export async function parseFile(path: string): Promise<unknown> {
  const parsed = await parse(path);
  if ('value' in parsed) return parsed.value;
  throw new HostError(
    exitCodes.badConfig,
    `${path}: expected a file that can be read, found ${parsed.problem}`,
  );
}
