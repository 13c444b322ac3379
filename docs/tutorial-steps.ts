import { titleOf, type Fence, type Page } from './markdown.ts';

/** One thing a tutorial tells its reader to do. */
export type Step =
  /** Type it into a shell. */
  | {
      readonly kind: 'run';
      readonly command: string;
      /** How it must end. */
      readonly exit: number;
      /** It goes on beside the steps that follow. */
      readonly isBackground: boolean;
      /** What it must print, in this order, anything else before, between and behind; … stands for what varies. */
      readonly expected: readonly string[];
      readonly line: number;
    }
  /** Write a file. */
  | { readonly kind: 'write'; readonly file: string; readonly text: string; readonly line: number }
  /** Change a file: lines that begin with - give way to those that begin with +. */
  | { readonly kind: 'edit'; readonly file: string; readonly text: string; readonly line: number };

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && line.trim() !== '…');
}

function runOf(fence: Fence, next: Fence | undefined): Step {
  const expected = next?.language === 'text' && titleOf(next) === undefined ? linesOf(next.text) : [];
  return {
    kind: 'run',
    command: fence.text,
    exit: Number(/(?:^| )exit=(\d+)/.exec(fence.info)?.[1] ?? 0),
    isBackground: /(?:^| )background\b/.test(fence.info),
    expected,
    line: fence.line,
  };
}

/**
 * What a page tells its reader to do, in order:
 *
 * - a `sh` fence is run; with `exit=1` behind the language it must end so, with `background` it goes on meanwhile;
 * - a `text` fence right behind it is what it prints, with … for what varies;
 * - a fence with `title="src/index.ts"` is that file, and with the language `diff` a change of it.
 *
 * All other fences are shown alone.
 */
export function stepsOf({ fences }: Pick<Page, 'fences'>): Step[] {
  return fences.flatMap((fence, index): Step[] => {
    const { language, text, line } = fence;
    const file = titleOf(fence);
    if (file !== undefined) return [{ kind: language === 'diff' ? 'edit' : 'write', file, text, line }];
    return language === 'sh' ? [runOf(fence, fences[index + 1])] : [];
  });
}

/**
 * A text with the change made in it.
 *
 * @throws Error where the lines that are to go, with those around them, are not there exactly once.
 */
export function applyEdit(text: string, edit: string): string {
  const lines = edit.split('\n').filter((line) => line !== '');
  const without = (mark: string): string =>
    lines
      .filter((line) => !line.startsWith(mark))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  const [before, after] = [without('+'), without('-')];
  const parts = text.split(before);
  if (parts.length === 2) return parts.join(after);
  throw new Error(`Expected these lines once, found them ${parts.length - 1} times:\n${before}`);
}

/** The first expected line that is not in the output behind the one before it; undefined when all are. */
export function missingLine(output: string, expected: readonly string[]): string | undefined {
  let rest = output;
  return expected.find((line) => {
    const parts = line
      .trim()
      .split('…')
      .map((part) => RegExp.escape(part).replaceAll(/(\\x20|\s)+/g, '\\s+'));
    const found = new RegExp(parts.join('.*')).exec(rest);
    if (found) rest = rest.slice(found.index + found[0].length);
    return !found;
  });
}
